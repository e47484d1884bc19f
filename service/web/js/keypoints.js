/** The layout `holistic-171` of glosscast/keypoints.py: what MediaPipe Holistic finds -> what a stream of keypoints carries. */

/** @import { Parts } from "../types/worker.js" */

const CHANNELS = 4; // x, y, z, presence
const POINTS = 171;
const START = { pose: 0, left_hand: 33, right_hand: 54, face: 75 };
const UPPER_BODY = 25; // pose points from the nose to the hips
const SHOWN = 0.5; // visibility from which a pose point is drawn

// Of the face mesh: lips, left eye, right eye, left brow, right brow, nose. The order is the layout's.
export const FACE_INDICES = [
  0, 13, 14, 17, 37, 39, 40, 61, 78, 80, 81, 82, 84, 87, 88, 91, 95, 146, 178, 181, 185, 191,
  267, 269, 270, 291, 308, 310, 311, 312, 314, 317, 318, 321, 324, 375, 402, 405, 409, 415,
  249, 263, 362, 373, 374, 380, 381, 382, 384, 385, 386, 387, 388, 390, 398, 466,
  7, 33, 133, 144, 145, 153, 154, 155, 157, 158, 159, 160, 161, 163, 173, 246,
  276, 282, 283, 285, 293, 295, 296, 300, 334, 336,
  46, 52, 53, 55, 63, 65, 66, 70, 105, 107,
  1, 2, 98, 327,
];

/**
 * The function puts the parts of a body into the layout.
 *
 * @param {Parts} parts
 * @returns {Float32Array<ArrayBuffer>} (171 × 4), zeros where a part was not found
 */
export function assemble(parts) {
  const out = new Float32Array(POINTS * CHANNELS);
  for (const name of /** @type {const} */ (["pose", "left_hand", "right_hand"])) {
    const part = parts[name];
    if (part) out.set(part, START[name] * CHANNELS);
  }
  const { face } = parts;
  if (face) {
    FACE_INDICES.forEach((index, place) =>
      out.set(face.subarray(index * CHANNELS, (index + 1) * CHANNELS), (START.face + place) * CHANNELS));
  }
  return out;
}

/**
 * The function returns what the overlay draws, in the form of the server's `landmarks` message.
 *
 * @param {Omit<Parts, "face">} parts
 * @returns {import("./figure.js").Landmarks}
 */
export function landmarksOf({ pose, left_hand, right_hand }) {
  return {
    pose: pose ? points(pose).slice(0, UPPER_BODY).map((point) => (point[3] >= SHOWN ? point : null)) : null,
    left_hand: left_hand && points(left_hand),
    right_hand: right_hand && points(right_hand),
  };
}

/** @param {Float32Array} flat */
const points = (flat) =>
  Array.from({ length: flat.length / CHANNELS }, (_, index) => flat.subarray(index * CHANNELS, (index + 1) * CHANNELS));
