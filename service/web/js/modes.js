/** Privacy mode or pictures: what the person wants, what this device can do, and which of the two it comes to. */

import { Holistic } from "./holistic.js";
import { KeypointReader, PictureReader } from "./readers.js";

export const MIN_FPS = 12; // fewer frames a second blur a sign
const MEASURED = 6; // frames of the speed check
const HOPELESS_MS = 300; // two frames this slow, and there is no need to look at more
const PATIENCE_MS = 25_000; // for loading and measuring together

/** @typedef {"auto"|"keypoints"|"frames"} Mode */

/**
 * Whether a device keeps `MIN_FPS`; null: too early to say.
 *
 * @param {number[]} times ms of each frame; the first makes the models ready and does not count
 */
export function verdict(times) {
  const counted = times.slice(1);
  if (counted.length >= 2 && counted.every((ms) => ms > HOPELESS_MS)) return false;
  if (counted.length < MEASURED) return null;
  const [low, high] = counted.sort((a, b) => a - b).slice(MEASURED / 2 - 1);
  return (low + high) / 2 <= 1000 / MIN_FPS;
}

export class Modes {
  /**
   * @param {(points: object) => void} onPoints what the overlay draws in privacy mode
   * @param {() => void} onCheck the speed check begins
   */
  constructor({ onPoints, onCheck }) {
    Object.assign(this, { onPoints, onCheck });
    /** @type {Mode} */
    this.wanted = "auto";
    this.folder = null; // of the package; null while or where there is none, or nothing for it to do
    this.keepsUp = null; // the verdict on this device, once there is one
  }

  /** Whether the next start has to load or measure first. */
  get mustPrepare() {
    return this.folder !== null && this.wanted !== "frames" && this.keepsUp !== false && !this.holistic;
  }

  /**
   * What to read the camera's pictures with.
   *
   * @returns {Promise<PictureReader|KeypointReader>}
   * @throws {Error} privacy mode was asked for by name and does not run here: never send pictures instead
   */
  async reader(video) {
    if (this.folder === null && this.wanted === "keypoints") throw new Error("not installed");
    if (this.folder !== null && this.wanted === "auto" && this.keepsUp === null) await this.#check(video);
    // Only now: while that was measured the server may have said that it needs pictures.
    if (this.folder === null || this.wanted === "frames") return new PictureReader();
    if (this.wanted === "auto" && !this.keepsUp) return new PictureReader();
    return new KeypointReader(await this.#loaded(), this.onPoints);
  }

  /** After a failure: load it anew next time. */
  drop() {
    this.holistic?.close();
    this.holistic = null;
  }

  /** Holistic, ready for another recording. */
  async #loaded() {
    if (this.holistic) {
      await this.holistic.reset();
      return this.holistic;
    }
    const holistic = new Holistic(this.folder);
    this.holistic = holistic;
    try {
      this.onCheck();
      await holistic.load();
    } catch (error) {
      this.drop();
      throw error;
    }
    return holistic;
  }

  async #check(video) {
    let giveUp;
    const patience = new Promise((done) => (giveUp = setTimeout(done, PATIENCE_MS, false)));
    this.keepsUp = await Promise.race([this.#measure(video).catch(() => false), patience]);
    clearTimeout(giveUp);
    if (!this.keepsUp) this.drop();
  }

  async #measure(video) {
    const holistic = await this.#loaded();
    const times = [];
    while (verdict(times) === null) {
      const began = performance.now();
      await holistic.find(video);
      times.push(performance.now() - began);
    }
    return verdict(times);
  }
}
