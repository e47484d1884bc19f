/** The camera, and JPEG frames from it at a steady pace. */

const TARGET_FPS = 16; // what the recogniser samples; more would be thrown away there
const MAX_SIDE_PX = 640; // longer side; hands are found as well at this size as at any larger one
const QUALITY = 0.8; // of the JPEG
const LOWEST_QUALITY = 0.4;
const SLOWEST_MS = 100; // between frames, for a server that cannot keep up
const EASED_MS = 20_000; // then back to the usual pace
const HEADER_BYTES = 128; // at most, of a message beside the image

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

/** Ask for the camera. Rejects with a CameraError. */
export async function openCamera() {
  if (!window.isSecureContext || !navigator.mediaDevices?.getUserMedia) throw new CameraError("insecure");
  try {
    return await navigator.mediaDevices.getUserMedia({
      audio: false,
      video: {
        facingMode: "user",
        width: { ideal: 1280 },
        height: { ideal: 720 },
        frameRate: { ideal: 30 },
      },
    });
  } catch (error) {
    throw new CameraError(REASONS[error.name] ?? "camera_failed");
  }
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

/**
 * Takes frames from a playing video: unmirrored, as the camera sees them.
 *
 * @param {HTMLVideoElement} video
 * @param {() => boolean} canTake asked before each frame; false skips it, so that nothing queues up behind a slow network
 * @param {(tMs: number, image: ArrayBuffer) => void} onFrame
 */
export class FrameGrabber {
  constructor(video, { canTake, onFrame }) {
    Object.assign(this, { video, canTake, onFrame });
    this.canvas = document.createElement("canvas");
    this.limit({});
  }

  /** What the server accepts; see `limits` in its `started` message. */
  limit({ max_fps: fps = TARGET_FPS, max_frame_bytes: bytes = Infinity }) {
    this.usualMs = this.intervalMs = 1000 / Math.min(TARGET_FPS, fps);
    this.maxBytes = bytes - HEADER_BYTES;
    this.quality = QUALITY;
  }

  /** Send fewer frames for a while: frames that wait their turn at a busy server make every caption late. */
  easeOff() {
    this.intervalMs = Math.min(SLOWEST_MS, this.intervalMs * 1.2);
    clearTimeout(this.easedTimer);
    this.easedTimer = setTimeout(() => (this.intervalMs = this.usualMs), EASED_MS);
  }

  start() {
    this.stop();
    this.dueMs = 0;
    this.lastMs = -1;
    this.running = true;
    this.#schedule();
  }

  stop() {
    this.running = false;
    if (this.frameHandle !== undefined) this.video.cancelVideoFrameCallback(this.frameHandle);
    clearTimeout(this.timer);
    this.frameHandle = undefined;
  }

  /** The next frame of the camera where the browser announces them, else the next moment that one is due. */
  #schedule() {
    if (!this.running) return;
    if ("requestVideoFrameCallback" in this.video) {
      this.frameHandle = this.video.requestVideoFrameCallback((now, metadata) => this.#tick(now, metadata.captureTime ?? now));
    } else {
      this.timer = setTimeout(() => this.#tick(performance.now(), performance.now()), this.intervalMs / 2);
    }
  }

  #tick(nowMs, tMs) {
    this.#schedule();
    if (nowMs < this.dueMs - 4) return; // the 4 ms let a camera that runs at exactly our pace jitter
    this.dueMs = Math.max(this.dueMs + this.intervalMs, nowMs); // never in a hurry to make up for a pause
    if (this.encoding || tMs <= this.lastMs || !this.canTake()) return;
    this.lastMs = tMs;
    this.#take(Math.round(tMs * 10) / 10);
  }

  async #take(tMs) {
    const { videoWidth: width, videoHeight: height } = this.video;
    if (!width || !height) return;
    const scale = Math.min(1, MAX_SIDE_PX / Math.max(width, height));
    this.canvas.width = Math.round(width * scale);
    this.canvas.height = Math.round(height * scale);
    this.canvas.getContext("2d").drawImage(this.video, 0, 0, this.canvas.width, this.canvas.height);
    this.encoding = true;
    const blob = await new Promise((done) => this.canvas.toBlob(done, "image/jpeg", this.quality));
    const image = await blob?.arrayBuffer();
    this.encoding = false;
    if (!image || !this.running) return;
    if (image.byteLength > this.maxBytes) {
      this.quality = Math.max(LOWEST_QUALITY, this.quality - 0.1);
      return;
    }
    this.onFrame(tMs, image);
  }
}
