/**
 * How a person sits in the picture of the camera, and the one thing to change so that signs can be read.
 *
 * The thresholds were set with `python -m benchmarks.framing`; docs/explanation/page.md has its figures.
 */

import { context2d } from "./dom.js";

/** @import { Landmarks, Point } from "./figure.js" */

/** @typedef {(typeof HINTS)[number]} Hint */

/**
 * What is known of one picture.
 *
 * @typedef {object} View
 * @property {Landmarks} points
 * @property {number} people in view, as far as anybody counts them
 * @property {number} light of the picture, see `brightness`
 * @property {number} aspect of the picture, width / height
 */

/** The most important first: who is not seen at all need not hear about the hands. */
export const HINTS = /** @type {const} */ (["dark", "nobody", "several", "near", "turn", "aside", "hands", "far"]);

const BESIDE = 0.3; // room that signs need beside each shoulder, in shoulder widths
const BELOW = 0.55; // and below the shoulders
const OVERHEAD = 0.02; // the nose may be no nearer to the upper edge; share of the height
const SMALLEST = 0.12; // shoulder width in heights of the picture; below it, a quarter of the hands are not found
const INSIDE = 0.02; // a point this near to an edge is cut off; share of the side
const RAISED = 0.35; // a wrist that is at most so far below its shoulder is in use, in shoulder widths
const DARK = 30; // brightness

const APPEARS_MS = 1000; // a hint is of what was so for most of this time
const GOES_MS = 700; // and goes when it has hardly been so for this time
const MOST = 0.8;
const HARDLY = 0.25;

const [NOSE, SHOULDERS, WRISTS, ELBOWS] = [0, [11, 12], [15, 16], [13, 14]]; // MediaPipe's pose points, left before right
const HEAD = [0, 2, 5, 7, 8];

/**
 * The function returns what is wrong with a picture.
 *
 * @param {View} view
 * @returns {Set<Hint>}
 */
export function faults({ points, people, light, aspect }) {
  /** @type {Set<Hint>} */
  const found = new Set();
  if (light < DARK) found.add("dark");
  if (people > 1) found.add("several");
  const pose = points.pose ?? [];
  const [left, right] = SHOULDERS.map((index) => pose[index] ?? null);
  const head = HEAD.some((index) => pose[index]);
  if (!left && !right && !head) return found.add("nobody");
  if (!left || !right) return found.add(left || right ? "aside" : "near");
  const width = Math.hypot((left[0] - right[0]) * aspect, left[1] - right[1]); // in heights
  const room = {
    left: (Math.min(left[0], right[0]) * aspect) / width,
    right: ((1 - Math.max(left[0], right[0])) * aspect) / width,
    below: (1 - (left[1] + right[1]) / 2) / width,
  };
  const nose = pose[NOSE];
  if (!head || (nose && nose[1] < OVERHEAD)) found.add("near");
  if (room.left + room.right < 2 * BESIDE) found.add(aspect < 1 ? "turn" : "near");
  else if (Math.min(room.left, room.right) < 0) found.add("aside");
  if (room.below < BELOW || leaves(points, width)) found.add("hands");
  if (width < SMALLEST) found.add("far");
  return found;
}

/**
 * The function tells whether a hand that is in use is outside the picture. Hands that hang down or lie in the lap may be.
 *
 * @param {Landmarks} points
 * @param {number} width of the shoulders in heights of the picture
 */
function leaves(points, width) {
  const pose = points.pose ?? [];
  return WRISTS.some((index, side) => {
    const [shoulder, elbow, wrist] = [pose[SHOULDERS[side]], pose[ELBOWS[side]], pose[index]];
    if (!shoulder || !elbow || !wrist || wrist[1] - shoulder[1] > RAISED * width) return false;
    const [x, y] = wrist;
    return x < INSIDE || x > 1 - INSIDE || y < INSIDE;
  });
}

/** The class finds the hint to give from picture to picture, calmly: a fault must last before it counts. */
export class Framing {
  constructor() {
    /** @type {{atMs: number, faults: Set<Hint>}[]} */
    this.seen = [];
    this.sinceMs = Infinity;
    /** @type {Hint|null} */
    this.hint = null;
  }

  /**
   * @param {View} view
   * @param {number} nowMs
   * @returns {Hint|null} the hint to give now
   */
  see(view, nowMs) {
    this.sinceMs = Math.min(this.sinceMs, nowMs);
    this.seen = this.seen.filter(({ atMs }) => nowMs - atMs < APPEARS_MS);
    this.seen.push({ atMs: nowMs, faults: faults(view) });
    const lasting = nowMs - this.sinceMs < APPEARS_MS ? undefined : HINTS.find((hint) => this.#share(hint, APPEARS_MS, nowMs) >= MOST);
    if (lasting) this.hint = lasting;
    else if (this.hint && this.#share(this.hint, GOES_MS, nowMs) < HARDLY) this.hint = null;
    return this.hint;
  }

  /**
   * @param {Hint} hint
   * @param {number} withinMs
   * @param {number} nowMs
   */
  #share(hint, withinMs, nowMs) {
    const recent = this.seen.filter(({ atMs }) => nowMs - atMs < withinMs);
    return recent.filter((view) => view.faults.has(hint)).length / recent.length;
  }
}

const LIGHT = { width: 32, height: 24 };
const BRIGHT_SHARE = 0.9;
/** @type {CanvasRenderingContext2D|undefined} */
let small;

/**
 * The function returns the brightness that nine tenths of a picture do not exceed, 0 to 255. The mean would take a person
 * with dark skin or clothes before a dark wall for a dark room.
 *
 * @param {HTMLVideoElement} video
 */
export function brightness(video) {
  small ??= context2d(Object.assign(document.createElement("canvas"), LIGHT), { willReadFrequently: true });
  small.drawImage(video, 0, 0, LIGHT.width, LIGHT.height);
  const { data } = small.getImageData(0, 0, LIGHT.width, LIGHT.height);
  const values = Array.from({ length: data.length / 4 }, (_, i) => 0.299 * data[4 * i] + 0.587 * data[4 * i + 1] + 0.114 * data[4 * i + 2]);
  return values.sort((a, b) => a - b)[Math.floor(BRIGHT_SHARE * values.length)];
}
