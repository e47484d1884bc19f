/** The camera: which there are, turning one on and off. */

// Names of DOMExceptions from getUserMedia -> our own reasons.
const REASONS = {
  NotAllowedError: "denied",
  SecurityError: "denied",
  NotFoundError: "no_camera",
  OverconstrainedError: "no_camera",
  NotReadableError: "camera_busy",
  AbortError: "camera_busy",
};

/** The camera cannot be used; `reason` is "denied", "no_camera", "camera_busy", "insecure" or "camera_failed". */
export class CameraError extends Error {
  constructor(reason) {
    super(reason);
    this.reason = reason;
  }
}

/**
 * Ask for the camera. Rejects with a CameraError.
 *
 * @param {string} deviceId of a certain one; "" takes the one that faces the person
 */
export async function openCamera(deviceId = "") {
  if (!window.isSecureContext || !navigator.mediaDevices?.getUserMedia) throw new CameraError("insecure");
  try {
    return await navigator.mediaDevices.getUserMedia({
      audio: false,
      video: {
        ...(deviceId ? { deviceId: { exact: deviceId } } : { facingMode: "user" }),
        width: { ideal: 1280 },
        height: { ideal: 720 },
        frameRate: { ideal: 30 },
      },
    });
  } catch (error) {
    throw new CameraError(REASONS[error.name] ?? "camera_failed");
  }
}

/** The cameras, as {deviceId, label}; the browser names them once one may be used. */
export async function listCameras() {
  const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  return devices.filter(({ kind, deviceId }) => kind === "videoinput" && deviceId);
}

export function closeCamera(stream) {
  for (const track of stream?.getTracks() ?? []) track.stop();
}

/** Call `listener` when the browser's permission for the camera changes, where the browser tells. */
export async function watchPermission(listener) {
  try {
    const status = await navigator.permissions.query({ name: "camera" });
    status.addEventListener("change", () => listener(status.state));
  } catch {
    // Not every browser lets a page ask; then the person presses the button again.
  }
}
