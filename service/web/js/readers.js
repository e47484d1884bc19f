/** What a stream carries of each picture: the picture itself, or the points of body and hands that were found in it. */

import { assemble, landmarksOf } from "./keypoints.js";

const MAX_SIDE_PX = 640; // longer side; hands are found as well at this size as at any larger one
const QUALITY = 0.8; // of the JPEG
const LOWEST_QUALITY = 0.4;
const HEADER_BYTES = 128; // at most, of a message beside the picture
const WIDEST = 10; // frame width / height that the protocol takes, and its inverse

export const COMMON = { type: "start", interim: true, top_k: 3 };

/** Pictures for the server to look at: the choice of devices that cannot look themselves. */
export class PictureReader {
  constructor() {
    this.input = "frames";
    this.canvas = document.createElement("canvas");
    this.limit({});
  }

  start() {
    return { ...COMMON, input: "frames", landmarks: true };
  }

  limit({ max_frame_bytes: bytes = Infinity }) {
    this.maxBytes = bytes - HEADER_BYTES;
    this.quality = QUALITY;
  }

  /** @returns {Promise<ArrayBuffer|null>} a JPEG, unmirrored, as the camera sees it; null where it came out too large */
  async read(video) {
    const { videoWidth: width, videoHeight: height } = video;
    const scale = Math.min(1, MAX_SIDE_PX / Math.max(width, height));
    this.canvas.width = Math.round(width * scale);
    this.canvas.height = Math.round(height * scale);
    this.canvas.getContext("2d").drawImage(video, 0, 0, this.canvas.width, this.canvas.height);
    const blob = await new Promise((done) => this.canvas.toBlob(done, "image/jpeg", this.quality));
    const image = await blob?.arrayBuffer();
    if (image?.byteLength > this.maxBytes) {
      this.quality = Math.max(LOWEST_QUALITY, this.quality - 0.1);
      return null;
    }
    return image ?? null;
  }
}

/** Points that this device finds by itself: the pictures never leave it. */
export class KeypointReader {
  /**
   * @param {import("./holistic.js").Holistic} holistic
   * @param {(points: object) => void} onPoints what the overlay draws
   */
  constructor(holistic, onPoints = () => {}) {
    Object.assign(this, { holistic, onPoints, input: "keypoints", frameMs: 0 });
  }

  start({ videoWidth: width, videoHeight: height }) {
    const aspect = width / height || 4 / 3;
    return { ...COMMON, input: "keypoints", aspect: Math.min(WIDEST, Math.max(1 / WIDEST, aspect)) };
  }

  limit() {}

  /** @returns {Promise<ArrayBuffer>} 171 × 4 float32 */
  async read(video) {
    const began = performance.now();
    const parts = await this.holistic.find(video);
    this.frameMs = performance.now() - began;
    this.onPoints(landmarksOf(parts));
    return assemble(parts).buffer;
  }
}
