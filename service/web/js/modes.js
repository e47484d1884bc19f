/** Privacy mode or pictures: what the person wants, what this device can do, and which of the two it comes to. */

import { Holistic } from "./holistic.js";
import { KeypointReader, PictureReader } from "./readers.js";

export const MIN_FPS = 12; // fewer frames a second blur a sign
const MEASURED = 6; // frames of the speed check
const HOPELESS_MS = 300; // two frames this slow, and there is no need to look at more
const PATIENCE_MS = 25_000; // for loading and measuring together

/** @import { Landmarks } from "./figure.js" */
/** @import { Reader } from "./readers.js" */

/** @typedef {"auto"|"keypoints"|"frames"} Mode */

/**
 * @typedef {object} Watch
 * @property {(points: Landmarks) => void} onPoints takes what the overlay draws in privacy mode
 * @property {() => void} onCheck hears that privacy mode is loaded, and its speed measured
 */

/**
 * The function tells whether a device keeps `MIN_FPS`; null: too early to say.
 *
 * @param {number[]} times ms of each frame; the first makes the models ready and does not count
 * @returns {boolean|null}
 */
export function verdict(times) {
  const counted = times.slice(1);
  if (counted.length >= 2 && counted.every((ms) => ms > HOPELESS_MS)) return false;
  if (counted.length < MEASURED) return null;
  const [low, high] = counted.sort((a, b) => a - b).slice(MEASURED / 2 - 1);
  return (low + high) / 2 <= 1000 / MIN_FPS;
}

/** The class chooses between privacy mode and pictures, and keeps what both need. */
export class Modes {
  constructor() {
    /** @type {Mode} */
    this.wanted = "auto";
    /** @type {string|null} */
    this.folder = null; // of the package; null while or where there is none, or nothing for it to do
    /** @type {boolean|null} */
    this.keepsUp = null; // the verdict on this device, once there is one
    /** @type {Holistic|null} */
    this.holistic = null;
  }

  /** The property tells whether the next start has to load or measure first. */
  get mustPrepare() {
    return this.folder !== null && this.wanted !== "frames" && this.keepsUp !== false && !this.holistic;
  }

  /**
   * The method chooses what to read the camera's pictures with.
   *
   * @param {HTMLVideoElement} video
   * @param {Watch} watch
   * @returns {Promise<Reader>}
   * @throws {Error} privacy mode was asked for by name and does not run here: never send pictures instead
   */
  async reader(video, watch) {
    if (this.folder === null && this.wanted === "keypoints") throw new Error("not installed");
    if (this.folder !== null && this.wanted === "auto" && this.keepsUp === null) {
      await this.#check(video, this.folder, watch);
    }
    // Only now: while that was measured the server may have said that it needs pictures.
    if (this.folder === null || this.wanted === "frames") return new PictureReader();
    if (this.wanted === "auto" && !this.keepsUp) return new PictureReader();
    return new KeypointReader(await this.#loaded(this.folder, watch), watch.onPoints);
  }

  /** The method drops Holistic after a failure, so that the next start loads it anew. */
  drop() {
    this.holistic?.close();
    this.holistic = null;
  }

  /**
   * The method returns Holistic, ready for another recording.
   *
   * @param {string} folder of the package
   * @param {Watch} watch
   */
  async #loaded(folder, watch) {
    if (this.holistic) {
      await this.holistic.reset();
      return this.holistic;
    }
    const holistic = new Holistic(folder);
    this.holistic = holistic;
    try {
      watch.onCheck();
      await holistic.load();
    } catch (error) {
      this.drop();
      throw error;
    }
    return holistic;
  }

  /**
   * @param {HTMLVideoElement} video
   * @param {string} folder of the package
   * @param {Watch} watch
   */
  async #check(video, folder, watch) {
    /** @type {number|undefined} */
    let giveUp;
    /** @type {Promise<boolean>} */
    const patience = new Promise((done) => (giveUp = setTimeout(done, PATIENCE_MS, false)));
    this.keepsUp = await Promise.race([this.#measure(video, folder, watch).catch(() => false), patience]);
    clearTimeout(giveUp);
    if (!this.keepsUp) this.drop();
  }

  /**
   * @param {HTMLVideoElement} video
   * @param {string} folder of the package
   * @param {Watch} watch
   */
  async #measure(video, folder, watch) {
    const holistic = await this.#loaded(folder, watch);
    /** @type {number[]} */
    const times = [];
    while (verdict(times) === null) {
      const began = performance.now();
      await holistic.find(video);
      times.push(performance.now() - began);
    }
    return verdict(times);
  }
}
