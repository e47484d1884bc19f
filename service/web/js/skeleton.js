/** An example of a sign, replayed as a moving skeleton. */

import { context2d, h } from "./dom.js";
import { drawFigure, prepare } from "./figure.js";
import { t } from "./i18n.js";

/** @import { ExampleMotion } from "../types/messages.js" */
/** @import { Landmarks } from "./figure.js" */

/** @typedef {{left: number, right: number, top: number, bottom: number}} Box */

// What is shown at least, and at most, in shoulder widths: a signer from head to hips fits.
const LEAST = { left: -1.1, right: 1.1, top: -1.2, bottom: 1.05 };
const MOST = { left: -2.2, right: 2.2, top: -2, bottom: 1.6 };
const MARGIN = 0.12;
const AROUND_MS = 300; // that are shown before the sign and after it, at least
const SHORTEST_MS = 1500; // of what is shown
const REST_MS = 500; // the last picture is held this long before the example begins again

/**
 * The function returns the points of a moment.
 *
 * @param {ExampleMotion} motion
 * @param {number} ms
 * @returns {Landmarks}
 */
export function moment(motion, ms) {
  const later = motion.t_ms.findIndex((t) => t > ms);
  const index = later < 0 ? motion.t_ms.length - 1 : Math.max(0, later - 1);
  return { pose: motion.pose[index], left_hand: motion.left_hand[index], right_hand: motion.right_hand[index] };
}

/**
 * The function returns what an example has to be drawn in: hands and head are within it at all times.
 *
 * @param {ExampleMotion} motion
 * @returns {Box}
 */
export function boundsOf({ pose, left_hand: left, right_hand: right }) {
  const box = { ...LEAST };
  const upper = pose.map((points) => points.slice(0, 17)); // hips and legs may lie far below
  for (const point of [...upper, ...left, ...right].flatMap((points) => points ?? [])) {
    if (!point) continue;
    const [x, y] = [point[0], point[1]];
    box.left = Math.max(MOST.left, Math.min(box.left, x - MARGIN));
    box.right = Math.min(MOST.right, Math.max(box.right, x + MARGIN));
    box.top = Math.max(MOST.top, Math.min(box.top, y - MARGIN));
    box.bottom = Math.min(MOST.bottom, Math.max(box.bottom, y + MARGIN));
  }
  return box;
}

const still = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;

/** The class is a button that replays an example, mirrored as the person saw it. It plays while it is on the screen. */
export class Replay {
  /**
   * @param {string} name what the example is, for those who do not see it
   * @param {() => Promise<ExampleMotion>} load is called when the example comes into view
   * @param {{plays?: boolean}} options plays: whether it plays by itself; never where the device asks for reduced motion
   */
  constructor(name, load, { plays = true } = {}) {
    this.load = load;
    this.playing = plays && !still();
    this.inView = false;
    this.canvas = /** @type {HTMLCanvasElement} */ (h("canvas", { "aria-hidden": "true" }));
    this.context = context2d(this.canvas);
    this.element = h("button.replay", {
      type: "button", "aria-label": t("taught.replay", { name }), "aria-pressed": String(this.playing), onclick: () => this.#toggle(),
    }, this.canvas);
    /** @type {ExampleMotion|null} */
    this.motion = null;
    /** @type {Box} */
    this.box = LEAST;
    this.beganMs = 0;
    this.frame = 0; // that is asked for next
    this.watcher = new IntersectionObserver((entries) => this.#show(entries[entries.length - 1].isIntersecting), { rootMargin: "200px" });
    this.watcher.observe(this.element);
  }

  /** The method stops watching and playing, for a replay that is taken from the page. */
  end() {
    this.watcher.disconnect();
    this.inView = false;
  }

  #toggle() {
    this.playing = !this.playing;
    this.element.setAttribute("aria-pressed", String(this.playing));
    this.beganMs = performance.now();
    this.#run();
  }

  /** @param {boolean} inView */
  async #show(inView) {
    const was = this.inView;
    this.inView = inView;
    if (!inView || was) return;
    try {
      this.motion ??= await this.load();
    } catch {
      this.element.classList.add("missing");
      return;
    }
    this.box = boundsOf(this.motion);
    this.element.dataset.frames = String(this.motion.t_ms.length);
    this.beganMs = performance.now();
    this.#run();
  }

  /** The method draws the moment that is due, again and again while it plays and is seen; otherwise the middle. */
  #run() {
    const { motion } = this;
    cancelAnimationFrame(this.frame);
    if (!motion || !this.inView) return;
    const { start_ms: start, end_ms: end } = motion;
    if (!this.playing) {
      this.#draw(moment(motion, (start + end) / 2));
      return;
    }
    const aroundMs = Math.max(AROUND_MS, (SHORTEST_MS - (end - start)) / 2);
    const lengthMs = end - start + 2 * aroundMs;
    const passedMs = (performance.now() - this.beganMs) % (lengthMs + REST_MS);
    this.#draw(moment(motion, start - aroundMs + Math.min(passedMs, lengthMs)));
    this.frame = requestAnimationFrame(() => this.#run());
  }

  /** @param {Landmarks} points */
  #draw(points) {
    prepare(this.context);
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const { left, right, top, bottom } = this.box;
    const unit = Math.min(width / (right - left), height / (bottom - top)); // pixels of a shoulder width
    const middle = [(left + right) / 2, (top + bottom) / 2];
    drawFigure(
      this.context, points,
      ([x, y]) => [width / 2 - (x - middle[0]) * unit, height / 2 + (y - middle[1]) * unit],
      { scale: Math.max(0.4, Math.min(1.1, unit / 110)), head: true },
    );
  }
}
