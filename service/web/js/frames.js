/** Frames of a playing video at a steady pace, each turned into what the stream carries. */

const TARGET_FPS = 16; // what the recogniser samples; more would be thrown away there
const SLOWEST_MS = 100; // between frames, for a server that cannot keep up
const EASED_MS = 20_000; // then back to the usual pace
const COUNTED_MS = 2000; // the frame rate is measured over this time

/** @import { Limits } from "../types/messages.js" */
/** @import { Reader } from "./readers.js" */

/**
 * @typedef {object} GrabberOptions
 * @property {() => boolean} canTake asked before each frame; false skips it, so that nothing queues up behind a slow network
 * @property {(tMs: number, payload: ArrayBuffer) => void} onFrame
 * @property {(error: unknown) => void} onError the reader can read no more
 */

/** The class hands on the frames of a playing video, at the pace that the server takes. */
export class FrameGrabber {
  /**
   * @param {HTMLVideoElement} video
   * @param {GrabberOptions} options
   */
  constructor(video, { canTake, onFrame, onError }) {
    this.video = video;
    this.canTake = canTake;
    this.onFrame = onFrame;
    this.onError = onError;
    /** @type {Reader|undefined} */
    this.reader = undefined;
    this.running = false;
    this.reading = false;
    /** @type {number[]} */
    this.sentAt = [];
    this.dueMs = 0;
    this.lastMs = -1;
    this.usualMs = this.intervalMs = 1000 / TARGET_FPS;
    /** @type {number|undefined} */
    this.frameHandle = undefined;
    /** @type {number|undefined} */
    this.timer = undefined;
    /** @type {number|undefined} */
    this.easedTimer = undefined;
  }

  /**
   * The method sets what the server accepts; see `limits` in its `started` message.
   *
   * @param {Partial<Limits>} limits
   */
  limit({ max_fps: fps = TARGET_FPS }) {
    this.usualMs = this.intervalMs = 1000 / Math.min(TARGET_FPS, fps);
  }

  /** The method has fewer frames sent for a while: frames that wait at a busy server make every caption late. */
  easeOff() {
    this.intervalMs = Math.min(SLOWEST_MS, this.intervalMs * 1.2);
    clearTimeout(this.easedTimer);
    this.easedTimer = setTimeout(() => (this.intervalMs = this.usualMs), EASED_MS);
  }

  /** The property tells how many frames a second were sent in the last two seconds. */
  get fps() {
    const since = performance.now() - COUNTED_MS;
    this.sentAt = this.sentAt.filter((at) => at > since);
    return this.sentAt.length / (COUNTED_MS / 1000);
  }

  /** @param {Reader} reader */
  start(reader) {
    this.stop();
    this.reader = reader;
    this.dueMs = 0;
    this.lastMs = -1;
    this.sentAt = [];
    this.running = true;
    this.#schedule();
  }

  stop() {
    this.running = false;
    if (this.frameHandle !== undefined) this.video.cancelVideoFrameCallback(this.frameHandle);
    clearTimeout(this.timer);
    this.frameHandle = undefined;
  }

  /** The method waits for the camera's next frame where the browser announces them, else until one is due. */
  #schedule() {
    if (!this.running) return;
    if ("requestVideoFrameCallback" in this.video) {
      this.frameHandle = this.video.requestVideoFrameCallback((now, metadata) => this.#tick(now, metadata.captureTime ?? now));
    } else {
      this.timer = setTimeout(() => this.#tick(performance.now(), performance.now()), this.intervalMs / 2);
    }
  }

  /**
   * @param {number} nowMs
   * @param {number} tMs when the frame was taken
   */
  #tick(nowMs, tMs) {
    this.#schedule();
    if (nowMs < this.dueMs - 4) return; // the 4 ms let a camera that runs at exactly our pace jitter
    this.dueMs = Math.max(this.dueMs + this.intervalMs, nowMs); // never in a hurry to make up for a pause
    if (this.reading || tMs <= this.lastMs || !this.canTake()) return;
    this.lastMs = tMs;
    this.#take(Math.round(tMs * 10) / 10);
  }

  /** @param {number} tMs */
  async #take(tMs) {
    const { reader } = this;
    if (!reader || !this.video.videoWidth) return;
    this.reading = true;
    try {
      const payload = await reader.read(this.video);
      if (!payload || !this.running || reader !== this.reader) return;
      this.sentAt.push(performance.now());
      this.onFrame(tMs, payload);
    } catch (error) {
      if (this.running && reader === this.reader) this.onError(error);
    } finally {
      this.reading = false;
    }
  }
}
