/** What a stream carries of each picture: the picture itself, or the points of body and hands that were found in it. */

import { context2d } from "./dom.js";
import { assemble, landmarksOf } from "./keypoints.js";

/** @import { Limits, StartMessage } from "../types/messages.js" */
/** @import { Holistic } from "./holistic.js" */
/** @import { Landmarks } from "./figure.js" */

/**
 * @typedef {object} Reader
 * @property {StartMessage["input"]} input what the stream carries
 * @property {number} frameMs how long the last picture took on this device; 0 where it does not count
 * @property {(video: HTMLVideoElement) => StartMessage} start returns the first message of the stream
 * @property {(limits: Partial<Limits>) => void} limit sets what the server accepts
 * @property {(video: HTMLVideoElement) => Promise<ArrayBuffer|null>} read returns what the stream carries of the picture
 *   that is shown now; null: nothing
 */

const MAX_SIDE_PX = 640; // longer side; hands are found as well at this size as at any larger one
const QUALITY = 0.8; // of the JPEG
const LOWEST_QUALITY = 0.4;
const HEADER_BYTES = 128; // at most, of a message beside the picture
const WIDEST = 10; // frame width / height that the protocol takes, and its inverse

export const COMMON = /** @type {const} */ ({ type: "start", interim: true, top_k: 3 });

/**
 * The class reads pictures for the server to look at: the choice of devices that cannot look themselves.
 *
 * @implements {Reader}
 */
export class PictureReader {
  constructor() {
    this.input = /** @type {const} */ ("frames");
    this.frameMs = 0;
    this.canvas = document.createElement("canvas");
    this.context = context2d(this.canvas);
    this.maxBytes = Infinity;
    this.quality = QUALITY;
  }

  /** @returns {StartMessage} */
  start() {
    return { ...COMMON, input: "frames", landmarks: true };
  }

  /** @param {Partial<Limits>} limits */
  limit({ max_frame_bytes: bytes = Infinity }) {
    this.maxBytes = bytes - HEADER_BYTES;
    this.quality = QUALITY;
  }

  /**
   * @param {HTMLVideoElement} video
   * @returns {Promise<ArrayBuffer|null>} a JPEG, unmirrored, as the camera sees it; null where it came out too large
   */
  async read(video) {
    const { videoWidth: width, videoHeight: height } = video;
    const scale = Math.min(1, MAX_SIDE_PX / Math.max(width, height));
    this.canvas.width = Math.round(width * scale);
    this.canvas.height = Math.round(height * scale);
    this.context.drawImage(video, 0, 0, this.canvas.width, this.canvas.height);
    /** @type {Blob|null} */
    const blob = await new Promise((done) => this.canvas.toBlob(done, "image/jpeg", this.quality));
    const image = await blob?.arrayBuffer();
    if (image && image.byteLength > this.maxBytes) {
      this.quality = Math.max(LOWEST_QUALITY, this.quality - 0.1);
      return null;
    }
    return image ?? null;
  }
}

/**
 * The class reads points that this device finds by itself: the pictures never leave it.
 *
 * @implements {Reader}
 */
export class KeypointReader {
  /**
   * @param {Holistic} holistic
   * @param {(points: Landmarks) => void} onPoints takes what the overlay draws
   */
  constructor(holistic, onPoints = () => {}) {
    this.holistic = holistic;
    this.onPoints = onPoints;
    this.input = /** @type {const} */ ("keypoints");
    this.frameMs = 0;
  }

  /**
   * @param {Pick<HTMLVideoElement, "videoWidth"|"videoHeight">} video
   * @returns {StartMessage}
   */
  start({ videoWidth: width, videoHeight: height }) {
    const aspect = width / height || 4 / 3;
    return { ...COMMON, input: "keypoints", aspect: Math.min(WIDEST, Math.max(1 / WIDEST, aspect)) };
  }

  limit() {}

  /**
   * @param {HTMLVideoElement} video
   * @returns {Promise<ArrayBuffer>} 171 × 4 float32
   */
  async read(video) {
    const began = performance.now();
    const parts = await this.holistic.find(video);
    this.frameMs = performance.now() - began;
    this.onPoints(landmarksOf(parts));
    return assemble(parts).buffer;
  }
}
