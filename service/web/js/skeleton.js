/** An example of a sign, replayed as a moving skeleton. */

import { context2d, h } from "./dom.js";
import { drawFigure, prepare } from "./figure.js";
import { t } from "./i18n.js";

/** @import { ExampleMotion } from "../types/messages.js" */
/** @import { Landmarks, Point } from "./figure.js" */

/** @typedef {{left: number, right: number, top: number, bottom: number}} Box */

// What is shown at least, and at most, in shoulder widths: a signer from head to hips fits.
const LEAST = { left: -1.1, right: 1.1, top: -1.2, bottom: 1.05 };
const MOST = { left: -2.2, right: 2.2, top: -2, bottom: 1.6 };
const MARGIN = 0.12;
const AROUND_MS = 300; // that are shown before the sign and after it, at least
const SHORTEST_MS = 1500; // of what is shown
const LONGEST_GAP_MS = 250; // between two frames of one movement
const REST_MS = 500; // the last picture is held this long before the example begins again

/**
 * The function returns the points of a moment: between two frames those in between, since many examples have few frames.
 *
 * @param {ExampleMotion} motion
 * @param {number} ms
 * @returns {Landmarks}
 */
export function moment(motion, ms) {
  const times = motion.t_ms;
  const later = times.findIndex((t) => t > ms);
  const index = later < 0 ? times.length - 1 : Math.max(0, later - 1);
  const next = Math.min(index + 1, times.length - 1);
  const gap = times[next] - times[index];
  const share = gap > 0 && gap <= LONGEST_GAP_MS ? Math.max(0, Math.min(1, (ms - times[index]) / gap)) : 0;
  const at = (/** @type {((Point|null)[]|null)[]} */ frames) => between(frames[index], frames[next], share);
  return { pose: at(motion.pose), left_hand: at(motion.left_hand), right_hand: at(motion.right_hand) };
}

/**
 * @param {(Point|null)[]|null} from
 * @param {(Point|null)[]|null} to
 * @param {number} share of the way
 */
function between(from, to, share) {
  if (!from || !to || !share) return from;
  return from.map((point, index) => {
    const other = to[index];
    return point && other ? [0, 1].map((axis) => point[axis] + (other[axis] - point[axis]) * share) : point;
  });
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
   * @param {{plays?: boolean|"when met"}} options plays: whether it plays by itself, "when met" while it is pointed at or has
   *   the focus; never where the device asks for reduced motion
   */
  constructor(name, load, { plays = true } = {}) {
    this.load = load;
    this.playing = plays === true && !still();
    this.pressed = this.playing; // by a person, or from the beginning
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
    if (plays === "when met") this.#playWhenMet();
    this.watcher = new IntersectionObserver((entries) => this.#show(entries[entries.length - 1].isIntersecting), { rootMargin: "200px" });
    this.watcher.observe(this.element);
  }

  /** The method stops watching and playing, for a replay that is taken from the page. */
  end() {
    this.watcher.disconnect();
    this.inView = false;
  }

  #toggle() {
    this.#play(!this.pressed);
    this.pressed = this.playing;
  }

  /** @param {boolean} playing */
  #play(playing) {
    if (playing && !this.playing) this.beganMs = performance.now();
    this.playing = playing;
    this.element.setAttribute("aria-pressed", String(playing));
    this.#run();
  }

  #playWhenMet() {
    const { element } = this;
    const met = () => !still() && this.#play(true);
    const left = () => !this.pressed && !element.matches(":hover, :focus-visible") && this.#play(false);
    element.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && met());
    element.addEventListener("focus", () => element.matches(":focus-visible") && met());
    element.addEventListener("pointerleave", left);
    element.addEventListener("blur", left);
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
