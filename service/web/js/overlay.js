/** What the recogniser sees, drawn over the self-view. */

import { context2d } from "./dom.js";
import { drawFigure, prepare } from "./figure.js";

/** @import { Landmarks } from "./figure.js" */

const STALE_MS = 700; // points older than this say nothing about where the hands are now

/** The class draws the points of a signer on a canvas over the self-view. */
export class Overlay {
  /** @param {HTMLCanvasElement} canvas covers the video and is mirrored together with it */
  constructor(canvas) {
    this.canvas = canvas;
    this.context = context2d(canvas);
    this.visible = true;
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

  /** @param {Landmarks} points x and y in image coordinates 0..1 */
  draw(points) {
    this.clear();
    if (!this.visible) return;
    prepare(this.context);
    const { clientWidth: width, clientHeight: height } = this.canvas;
    drawFigure(this.context, points, ([x, y]) => [x * width, y * height], { scale: Math.max(0.6, Math.min(1.4, width / 760)) });
    this.timer = setTimeout(() => this.clear(), STALE_MS);
  }
}
