/** MediaPipe Holistic in the browser: pictures in, body points out; see holistic-worker.js. */

const LONGEST_SIDE_PX = 640; // the models look at smaller crops; a larger picture would only take longer to hand over

export class Holistic {
  /** @param {string} folder where the package lies, relative to the page */
  constructor(folder) {
    this.folder = new URL(folder, document.baseURI).href;
    this.waiting = null;
  }

  /** Start it, which fetches 37 MB the first time. Rejects where the browser cannot run it. */
  load() {
    this.worker = new Worker(new URL("holistic-worker.js", import.meta.url));
    this.worker.onmessage = ({ data }) => (data.type === "failed" ? this.#fail(data.message) : this.#settle("resolve", data));
    this.worker.onerror = (event) => this.#fail(event.message ?? "the worker did not start");
    return this.#ask({ type: "load", folder: this.folder, cpu: isApplePhone() });
  }

  /**
   * @param {HTMLVideoElement|HTMLCanvasElement|ImageBitmap} picture
   * @returns {Promise<import("./keypoints.js").Parts>} one at a time
   */
  async find(picture) {
    const width = picture.videoWidth ?? picture.width;
    const height = picture.videoHeight ?? picture.height;
    const scale = Math.min(1, LONGEST_SIDE_PX / Math.max(width, height));
    const image = await createImageBitmap(picture, {
      resizeWidth: Math.max(1, Math.round(width * scale)),
      resizeHeight: Math.max(1, Math.round(height * scale)),
      resizeQuality: "medium",
    });
    return this.#ask({ type: "frame", image }, [image]);
  }

  /** Forget the signer: the next frame may be of another recording. */
  reset() {
    return this.#ask({ type: "reset" });
  }

  close() {
    this.worker?.terminate();
    this.#fail("closed");
  }

  #ask(message, transfer = []) {
    return new Promise((resolve, reject) => {
      if (this.waiting) return reject(new Error("one picture at a time"));
      this.waiting = { resolve, reject };
      return this.worker.postMessage(message, transfer);
    });
  }

  #fail(message) {
    this.#settle("reject", new Error(message));
  }

  #settle(how, value) {
    const { waiting } = this;
    this.waiting = null;
    waiting?.[how](value);
  }
}

/** WebKit on Apple's phones and tablets runs the models on the CPU only; MediaPipe itself asks for the same. */
const isApplePhone = () =>
  /iPhone|iPad|iPod/.test(navigator.userAgent) || (/Mac/.test(navigator.userAgent) && navigator.maxTouchPoints > 1);
