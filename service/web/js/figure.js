/** A signer as lines and dots: body, arms and hands. */

/** @typedef {Iterable<number> & ArrayLike<number>} Point x and y; what follows is not drawn */

/**
 * The points of a signer, null where unseen.
 *
 * @typedef {object} Landmarks
 * @property {(Point|null)[]|null} pose
 * @property {(Point|null)[]|null} left_hand
 * @property {(Point|null)[]|null} right_hand
 */

/** @typedef {(point: Point) => [number, number]} Place returns where on the canvas a point is */

// MediaPipe's pose points: ears to nose, shoulders, arms, sides of the body.
const BODY = [[11, 12], [11, 13], [13, 15], [12, 14], [14, 16], [11, 23], [12, 24]];
const BODY_POINTS = [0, 2, 5, 11, 12, 13, 14];
const EARS = [7, 8];
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

/**
 * The function makes a canvas as fine as the screen, so that lines stay sharp, and clears it.
 *
 * @param {CanvasRenderingContext2D} context
 */
export function prepare(context) {
  const { canvas } = context;
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((side) => Math.round(side * ratio));
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
  context.lineCap = context.lineJoin = "round";
}

/**
 * The function draws a signer.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {Landmarks} points
 * @param {Place} place
 * @param {{scale: number, head?: boolean}} options scale: of the lines; head: whether to draw the outline of a head
 */
export function drawFigure(context, points, place, { scale, head = false }) {
  const { pose } = points;
  if (pose) {
    if (head) outlineHead(context, EARS.map((index) => pose[index]), place, 3 * scale);
    lines(context, pose, BODY, place, COLOURS.body, 3 * scale, scale);
    const wrists = WRISTS.filter(([, side]) => !points[side]).map(([index]) => index);
    dots(context, [...BODY_POINTS, ...wrists].map((index) => pose[index]), place, COLOURS.body, 4 * scale);
  }
  for (const side of /** @type {const} */ (["left_hand", "right_hand"])) {
    const hand = points[side];
    if (!hand) continue;
    lines(context, hand, HAND, place, COLOURS[side], 2.5 * scale, scale);
    dots(context, hand, place, COLOURS[side], 3 * scale);
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {(Point|null)[]} ears
 * @param {Place} place
 * @param {number} width
 */
function outlineHead(context, [left, right], place, width) {
  if (!left || !right) return;
  const [[x1, y1], [x2, y2]] = [place(left), place(right)];
  const half = Math.hypot(x2 - x1, y2 - y1) / 2;
  context.beginPath();
  context.ellipse((x1 + x2) / 2, (y1 + y2) / 2, half, 1.3 * half, Math.atan2(y2 - y1, x2 - x1), 0, 2 * Math.PI);
  context.strokeStyle = COLOURS.body;
  context.lineWidth = width;
  context.stroke();
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {(Point|null)[]} points
 * @param {number[][]} pairs indices of what is joined
 * @param {Place} place
 * @param {string} colour
 * @param {number} width
 * @param {number} scale
 */
function lines(context, points, pairs, place, colour, width, scale) {
  context.beginPath();
  for (const [from, to] of pairs) {
    const [start, end] = [points[from], points[to]];
    if (!start || !end) continue;
    context.moveTo(...place(start));
    context.lineTo(...place(end));
  }
  // A dark rim keeps the lines visible on bright skin and walls.
  context.strokeStyle = "rgba(0,0,0,.35)";
  context.lineWidth = width + 2.5 * scale;
  context.stroke();
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.stroke();
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {(Point|null)[]} points
 * @param {Place} place
 * @param {string} colour
 * @param {number} radius
 */
function dots(context, points, place, colour, radius) {
  context.fillStyle = colour;
  for (const point of points) {
    if (!point) continue;
    context.beginPath();
    context.arc(...place(point), radius, 0, 2 * Math.PI);
    context.fill();
  }
}
