/** What the recogniser sees, drawn over the self-view: body, arms and hands. */

import { context2d } from "./dom.js";

/** @typedef {Iterable<number> & ArrayLike<number>} Point x and y in image coordinates 0..1; what follows is not drawn */

/**
 * The points of a signer, null where unseen.
 *
 * @typedef {object} Landmarks
 * @property {(Point|null)[]|null} pose
 * @property {Point[]|null} left_hand
 * @property {Point[]|null} right_hand
 */

// MediaPipe's pose points: ears to nose, shoulders, arms, sides of the body.
const BODY = [[11, 12], [11, 13], [13, 15], [12, 14], [14, 16], [11, 23], [12, 24]];
const BODY_POINTS = [0, 2, 5, 11, 12, 13, 14];
/** @type {[number, "left_hand"|"right_hand"][]} */
const WRISTS = [[15, "left_hand"], [16, "right_hand"]]; // drawn only where the hand itself is not found

// MediaPipe's 21 points of a hand: wrist 0, then four a finger.
const HAND = [
  [0, 1], [1, 2], [2, 3], [3, 4],
  [0, 5], [5, 6], [6, 7], [7, 8],
  [5, 9], [9, 10], [10, 11], [11, 12],
  [9, 13], [13, 14], [14, 15], [15, 16],
  [13, 17], [0, 17], [17, 18], [18, 19], [19, 20],
];

const COLOURS = { body: "rgba(255,255,255,.8)", left_hand: "#ffb95c", right_hand: "#5fe0cb" };
const STALE_MS = 700; // points older than this say nothing about where the hands are now

/** The class draws the points of a signer on a canvas over the self-view. */
export class Overlay {
  /** @param {HTMLCanvasElement} canvas covers the video and is mirrored together with it */
  constructor(canvas) {
    this.canvas = canvas;
    this.context = context2d(canvas);
    this.visible = true;
    this.scale = 1; // of the lines
    /** @type {number|undefined} */
    this.timer = undefined;
  }

  /** @param {boolean} visible */
  setVisible(visible) {
    this.visible = visible;
    if (!visible) this.clear();
  }

  clear() {
    clearTimeout(this.timer);
    this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
  }

  /** @param {Landmarks} points */
  draw(points) {
    this.clear();
    if (!this.visible) return;
    this.#prepare();
    const { pose } = points;
    if (pose) {
      this.#lines(pose, BODY, COLOURS.body, 3);
      const wrists = WRISTS.filter(([, side]) => !points[side]).map(([index]) => index);
      this.#dots([...BODY_POINTS, ...wrists].map((index) => pose[index]), COLOURS.body, 4);
    }
    for (const side of /** @type {const} */ (["left_hand", "right_hand"])) {
      const hand = points[side];
      if (!hand) continue;
      this.#lines(hand, HAND, COLOURS[side], 2.5);
      this.#dots(hand, COLOURS[side], 3);
    }
    this.timer = setTimeout(() => this.clear(), STALE_MS);
  }

  /** The method matches the canvas to its size on the screen, so that lines stay sharp and equally wide. */
  #prepare() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const ratio = window.devicePixelRatio || 1;
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
    }
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.context.lineCap = this.context.lineJoin = "round";
    this.scale = Math.max(0.6, Math.min(1.4, width / 760));
  }

  /**
   * @param {Point} point
   * @returns {[number, number]} in CSS pixels
   */
  #at([x, y]) {
    return [x * this.canvas.clientWidth, y * this.canvas.clientHeight];
  }

  /**
   * @param {(Point|null)[]} points
   * @param {number[][]} pairs indices of what is joined
   * @param {string} colour
   * @param {number} width
   */
  #lines(points, pairs, colour, width) {
    const { context } = this;
    context.beginPath();
    for (const [from, to] of pairs) {
      const [start, end] = [points[from], points[to]];
      if (!start || !end) continue;
      context.moveTo(...this.#at(start));
      context.lineTo(...this.#at(end));
    }
    // A dark rim keeps the lines visible on bright skin and walls.
    context.strokeStyle = "rgba(0,0,0,.35)";
    context.lineWidth = (width + 2.5) * this.scale;
    context.stroke();
    context.strokeStyle = colour;
    context.lineWidth = width * this.scale;
    context.stroke();
  }

  /**
   * @param {(Point|null)[]} points
   * @param {string} colour
   * @param {number} radius
   */
  #dots(points, colour, radius) {
    const { context } = this;
    context.fillStyle = colour;
    for (const point of points) {
      if (!point) continue;
      context.beginPath();
      context.arc(...this.#at(point), radius * this.scale, 0, 2 * Math.PI);
      context.fill();
    }
  }
}
