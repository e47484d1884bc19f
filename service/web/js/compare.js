/**
 * What differs between a sign as it was signed and its example: measured on the points of the body, in shoulder widths.
 *
 * It says little rather than something wrong: the thresholds were chosen so that hardly any sign that is right is remarked on
 * (`python -m benchmarks.practice`). A left-handed signer mirrors the example, which is right.
 */

/** @import { ExampleMotion } from "../types/messages.js" */
/** @import { Landmarks, Point } from "./figure.js" */

/** @typedef {"left_hand"|"right_hand"} Side */
/** @typedef {"one_hand"|"lower"|"higher"|"outward"|"inward"|"slower"|"faster"} Difference */

/**
 * How a sign was signed. Places are in shoulder widths from the middle between the shoulders: x away from the body on the side
 * of the hand, y down.
 *
 * @typedef {object} Measures
 * @property {number} x of the hand that signs, the median
 * @property {number} y likewise
 * @property {number} other share of the frames in which the other hand is seen
 * @property {number} ms that it took
 */

const SHOULDERS = [11, 12];
const KNUCKLES = [0, 5, 9, 13, 17]; // with the wrist: the palm, which fingers that bend do not move
const FEWEST_FRAMES = 4; // with a hand, to say anything
const BOTH_FROM = 0.7; // share of the frames with the other hand from which an example has two
const ONE_TO = 0.05; // up to which it was not there
const FAR = 0.75; // shoulder widths
const SLOWER = 3; // times as long
const FASTER = 0.25;
export const MOST = 2; // remarks on one sign

/**
 * The function puts what was seen of a signer into the form of an example.
 *
 * @param {{tMs: number, points: Landmarks}[]} seen in image coordinates
 * @param {number} aspect width / height of the picture
 * @param {number} startMs
 * @param {number} endMs
 * @returns {ExampleMotion|null} null where there are no shoulders to measure by
 */
export function motionOf(seen, aspect, startMs, endMs) {
  const frames = seen.filter(({ tMs }) => tMs >= startMs && tMs <= endMs);
  const shoulders = frames.flatMap(({ points: { pose } }) => {
    const [left, right] = SHOULDERS.map((index) => pose?.[index]);
    return left && right ? [[left[0] * aspect, left[1], right[0] * aspect, right[1]]] : [];
  });
  const unit = median(shoulders.map(([x1, y1, x2, y2]) => Math.hypot(x1 - x2, y1 - y2)));
  if (!(unit > 0)) return null;
  const middle = [0, 1].map((axis) => median(shoulders.map((both) => (both[axis] + both[axis + 2]) / 2)));
  const placed = (/** @type {Point} */ [x, y]) => /** @type {[number, number]} */ ([(x * aspect - middle[0]) / unit, (y - middle[1]) / unit]);
  const hand = (/** @type {(Point|null)[]|null} */ points) => points && points.flatMap((point) => (point ? [placed(point)] : []));
  return {
    t_ms: frames.map(({ tMs }) => tMs - startMs),
    start_ms: 0,
    end_ms: endMs - startMs,
    pose: frames.map(({ points: { pose } }) => (pose ?? []).map((point) => point && placed(point))),
    left_hand: frames.map(({ points }) => hand(points.left_hand)),
    right_hand: frames.map(({ points }) => hand(points.right_hand)),
  };
}

/**
 * The function measures a sign.
 *
 * @param {ExampleMotion} motion
 * @returns {Measures|null} null where hardly a hand was seen
 */
export function measure(motion) {
  const inside = motion.t_ms.flatMap((ms, index) => (ms >= motion.start_ms && ms <= motion.end_ms ? [index] : []));
  const places = (/** @type {Side} */ side) => inside.flatMap((index) => {
    const hand = motion[side][index];
    return hand ? [[0, 1].map((axis) => mean(KNUCKLES.map((knuckle) => hand[knuckle][axis])))] : [];
  });
  const [left, right] = [places("left_hand"), places("right_hand")];
  const mirrored = travelled(left) > travelled(right);
  const [main, other] = mirrored ? [left, right] : [right, left];
  if (main.length < FEWEST_FRAMES) return null;
  const out = mirrored ? 1 : -1; // the signer's right is at smaller x
  const [xs, ys] = [main.map(([x]) => out * x), main.map(([, y]) => y)];
  return {
    x: median(xs),
    y: median(ys),
    other: other.length / inside.length,
    ms: motion.end_ms - motion.start_ms,
  };
}

/**
 * The function says in what a sign differs from its example, the plainest difference first.
 *
 * @param {Measures} example
 * @param {Measures} sign
 * @returns {Difference[]} at most `MOST`
 */
export function differences(example, sign) {
  const [down, out, slow] = [sign.y - example.y, sign.x - example.x, sign.ms / example.ms];
  const both = example.other >= BOTH_FROM; // then the place is one hand's on the other, and people hold both where they like
  /** @type {[Difference, boolean][]} */
  const found = [
    ["one_hand", both && sign.other <= ONE_TO],
    ["lower", !both && down > FAR],
    ["higher", !both && down < -FAR],
    ["outward", !both && out > FAR],
    ["inward", !both && out < -FAR],
    ["slower", slow > SLOWER],
    ["faster", slow < FASTER],
  ];
  return found.filter(([, is]) => is).map(([name]) => name).slice(0, MOST);
}

/**
 * The function tells how much of a sign a hand signed: how often it was seen, and how far it moved.
 *
 * @param {number[][]} places
 */
const travelled = (places) =>
  places.length + 10 * Math.max(spread(places.map(([x]) => x)), spread(places.map(([, y]) => y)));

/** @param {number[]} values */
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** @param {number[]} values */
const median = (values) => quantile(values, 0.5);

/** @param {number[]} values */
const spread = (values) => (values.length ? quantile(values, 0.9) - quantile(values, 0.1) : 0);

/**
 * @param {number[]} values
 * @param {number} share
 */
function quantile(values, share) {
  const ordered = [...values].sort((a, b) => a - b);
  return ordered[Math.round(share * (ordered.length - 1))];
}
