/** What the recogniser sees, drawn over the self-view: body, arms and hands. */

// MediaPipe's pose points: ears to nose, shoulders, arms, sides of the body.
const BODY = [[11, 12], [11, 13], [13, 15], [12, 14], [14, 16], [11, 23], [12, 24]];
const BODY_POINTS = [0, 2, 5, 11, 12, 13, 14];
const WRISTS = [15, 16]; // drawn only where the hand itself is not found

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

export class Overlay {
  /** @param {HTMLCanvasElement} canvas covers the video and is mirrored together with it */
  constructor(canvas) {
    this.canvas = canvas;
    this.visible = true;
  }

  setVisible(visible) {
    this.visible = visible;
    if (!visible) this.clear();
  }

  clear() {
    clearTimeout(this.timer);
    this.canvas.getContext("2d").clearRect(0, 0, this.canvas.width, this.canvas.height);
  }

  /** @param {{pose: Array, left_hand: Array|null, right_hand: Array|null}} points in image coordinates 0..1 */
  draw(points) {
    this.clear();
    if (!this.visible) return;
    const context = this.#prepare();
    const { pose } = points;
    if (pose) {
      this.#lines(context, pose, BODY, COLOURS.body, 3);
      const hidden = { 15: points.left_hand, 16: points.right_hand };
      const wrists = WRISTS.filter((index) => !hidden[index]);
      this.#dots(context, [...BODY_POINTS, ...wrists].map((index) => pose[index]), COLOURS.body, 4);
    }
    for (const side of ["left_hand", "right_hand"]) {
      if (!points[side]) continue;
      this.#lines(context, points[side], HAND, COLOURS[side], 2.5);
      this.#dots(context, points[side], COLOURS[side], 3);
    }
    this.timer = setTimeout(() => this.clear(), STALE_MS);
  }

  /** Match the canvas to its size on the screen, so that lines stay sharp and equally wide. */
  #prepare() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const ratio = window.devicePixelRatio || 1;
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
    }
    const context = this.canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.lineCap = context.lineJoin = "round";
    this.scale = Math.max(0.6, Math.min(1.4, width / 760));
    return context;
  }

  #at([x, y]) {
    return [x * this.canvas.clientWidth, y * this.canvas.clientHeight];
  }

  #lines(context, points, pairs, colour, width) {
    context.beginPath();
    for (const [from, to] of pairs) {
      if (!points[from] || !points[to]) continue;
      context.moveTo(...this.#at(points[from]));
      context.lineTo(...this.#at(points[to]));
    }
    // A dark rim keeps the lines visible on bright skin and walls.
    context.strokeStyle = "rgba(0,0,0,.35)";
    context.lineWidth = (width + 2.5) * this.scale;
    context.stroke();
    context.strokeStyle = colour;
    context.lineWidth = width * this.scale;
    context.stroke();
  }

  #dots(context, points, colour, radius) {
    context.fillStyle = colour;
    for (const point of points) {
      if (!point) continue;
      context.beginPath();
      context.arc(...this.#at(point), radius * this.scale, 0, 2 * Math.PI);
      context.fill();
    }
  }
}
