/** MediaPipe Holistic in the browser: pictures in, body points out; see holistic-worker.js. */

/** @import { Parts, WorkerAnswer, WorkerRequest } from "../types/worker.js" */

const LONGEST_SIDE_PX = 640; // the models look at smaller crops; a larger picture would only take longer to hand over

/** The class starts the worker that finds body points, and talks to it. */
export class Holistic {
  /** @param {string} folder where the package lies, relative to the page */
  constructor(folder) {
    this.folder = new URL(folder, document.baseURI).href;
    /** @type {Worker|null} */
    this.worker = null;
    /** @type {{resolve: (answer: unknown) => void, reject: (error: Error) => void}|null} */
    this.waiting = null;
  }

  /** The method starts the worker, which fetches 37 MB the first time. It rejects where the browser cannot run it. */
  load() {
    this.worker = new Worker(new URL("holistic-worker.js", import.meta.url));
    this.worker.onmessage = (/** @type {MessageEvent<WorkerAnswer>} */ { data }) =>
      (data.type === "failed" ? this.#fail(data.message) : this.#settle((waiting) => waiting.resolve(data)));
    this.worker.onerror = (event) => this.#fail(event.message ?? "the worker did not start");
    return this.#ask({ type: "load", folder: this.folder, cpu: isApplePhone() });
  }

  /**
   * The method finds the points of a body in a picture; one picture at a time.
   *
   * @param {HTMLVideoElement|HTMLCanvasElement|ImageBitmap} picture
   * @returns {Promise<Parts>}
   */
  async find(picture) {
    const width = "videoWidth" in picture ? picture.videoWidth : picture.width;
    const height = "videoHeight" in picture ? picture.videoHeight : picture.height;
    const scale = Math.min(1, LONGEST_SIDE_PX / Math.max(width, height));
    const image = await createImageBitmap(picture, {
      resizeWidth: Math.max(1, Math.round(width * scale)),
      resizeHeight: Math.max(1, Math.round(height * scale)),
      resizeQuality: "medium",
    });
    return /** @type {Promise<Parts>} */ (this.#ask({ type: "frame", image }, [image]));
  }

  /** The method makes the models forget the signer: the next frame may be of another recording. */
  reset() {
    return this.#ask({ type: "reset" });
  }

  close() {
    this.worker?.terminate();
    this.#fail("closed");
  }

  /**
   * @param {WorkerRequest} message
   * @param {Transferable[]} transfer
   * @returns {Promise<unknown>}
   */
  #ask(message, transfer = []) {
    return new Promise((resolve, reject) => {
      if (!this.worker) return reject(new Error("not loaded"));
      if (this.waiting) return reject(new Error("one picture at a time"));
      this.waiting = { resolve, reject };
      return this.worker.postMessage(message, transfer);
    });
  }

  /** @param {string} message */
  #fail(message) {
    this.#settle((waiting) => waiting.reject(new Error(message)));
  }

  /** @param {(waiting: NonNullable<Holistic["waiting"]>) => void} answer */
  #settle(answer) {
    const { waiting } = this;
    this.waiting = null;
    if (waiting) answer(waiting);
  }
}

/** WebKit on Apple's phones and tablets runs the models on the CPU only; MediaPipe itself asks for the same. */
const isApplePhone = () =>
  /iPhone|iPad|iPod/.test(navigator.userAgent) || (/Mac/.test(navigator.userAgent) && navigator.maxTouchPoints > 1);
