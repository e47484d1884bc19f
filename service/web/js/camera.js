/** The camera: which there are, turning one on and off. */

/** @typedef {"denied"|"no_camera"|"camera_busy"|"insecure"|"camera_failed"} CameraProblem */

/**
 * Names of DOMExceptions from getUserMedia -> our own reasons.
 *
 * @type {Record<string, CameraProblem|undefined>}
 */
const REASONS = {
  NotAllowedError: "denied",
  SecurityError: "denied",
  NotFoundError: "no_camera",
  OverconstrainedError: "no_camera",
  NotReadableError: "camera_busy",
  AbortError: "camera_busy",
};

/** The camera cannot be used; `reason` says why. */
export class CameraError extends Error {
  /** @param {CameraProblem} reason */
  constructor(reason) {
    super(reason);
    this.reason = reason;
  }
}

/**
 * The function asks for the camera. It rejects with a CameraError.
 *
 * @param {string} deviceId the id of a certain camera; "" takes the one that faces the person
 * @returns {Promise<MediaStream>}
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
    const { name } = /** @type {DOMException} */ (error);
    throw new CameraError(REASONS[name] ?? "camera_failed");
  }
}

/**
 * The function returns the cameras; the browser names them once one may be used.
 *
 * @returns {Promise<MediaDeviceInfo[]>}
 */
export async function listCameras() {
  const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  return devices.filter(({ kind, deviceId }) => kind === "videoinput" && deviceId);
}

/**
 * The function turns a camera off.
 *
 * @param {MediaStream|null|undefined} stream
 */
export function closeCamera(stream) {
  for (const track of stream?.getTracks() ?? []) track.stop();
}

/**
 * The function calls `listener` when the browser's permission for the camera changes, where the browser tells.
 *
 * @param {(state: PermissionState) => void} listener
 */
export async function watchPermission(listener) {
  try {
    const status = await navigator.permissions.query({ name: "camera" });
    status.addEventListener("change", () => listener(status.state));
  } catch {
    // Not every browser lets a page ask; then the person presses the button again.
  }
}
