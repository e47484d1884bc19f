/** The page as an overlay for streaming software: captions or nothing, and nobody there who could press a button. */

import { tellUnknown } from "./captions.js";
import { context2d } from "./dom.js";

/** @import { Captions } from "./captions.js" */
/** @import { Live } from "./live.js" */
/** @import { NoticeName } from "./messages.js" */
/** @import { ModeChoice } from "./mode-choice.js" */
/** @import { OverlayOptions } from "./overlay-options.js" */

const RETRY_MS = 10_000;
const SLOW_RETRY_MS = 60_000;
/** @type {NoticeName[]} */
const SLOW = ["denied", "insecure", "unauthorised", "not_allowed", "disagree"]; // until somebody changes something
const LIGHT = 128; // of 255: a lighter colour gets a dark edge

/** The class shows captions as the address of the overlay asks, and starts them again whenever they have stopped. */
export class OverlayPage {
  /**
   * @param {OverlayOptions} options
   * @param {Captions} captions
   * @param {ModeChoice} choice
   * @param {Live} live
   */
  constructor({ clearMs, mode, trail, size, color, background }, captions, choice, live) {
    this.live = live;
    captions.trail = trail;
    captions.clearMs = clearMs;
    tellUnknown.pin(false);
    choice.choose(mode);
    live.onStopped = (reason) => this.#stopped(reason);
    const { style, dataset } = document.documentElement;
    if (size) style.setProperty("--words-size", size);
    if (color) style.setProperty("--words-color", color);
    if (color) style.setProperty("--words-edge", isLight(color) ? "#000" : "#fff");
    if (background) style.setProperty("--words-background", background);
    if (background) dataset.plate = "";
  }

  start() {
    if (!this.live.active) this.live.start();
  }

  /**
   * The method asks the server again, which would not say what it recognises.
   *
   * @param {() => void} ask
   * @param {number} status of its answer
   */
  askLater(ask, status) {
    console.warn(`The server answers ${status}${status === 401 ? ": it wants a key (#key=… in the address)" : ""}. Asking again later.`);
    setTimeout(ask, SLOW_RETRY_MS);
  }

  /** @param {NoticeName} reason */
  #stopped(reason) {
    const delayMs = SLOW.includes(reason) ? SLOW_RETRY_MS : RETRY_MS;
    console.warn(`Captions stopped: ${reason}. Starting again in ${delayMs / 1000} s.`);
    setTimeout(() => (reason === "disagree" ? reload() : this.start()), delayMs);
  }
}

/** The function loads the page anew, once the server answers: the browser's own error page would not try again. */
async function reload() {
  try {
    await fetch(document.baseURI, { cache: "no-store" });
    location.reload();
  } catch {
    setTimeout(reload, RETRY_MS);
  }
}

/** @param {string} colour of CSS */
function isLight(colour) {
  const context = context2d(document.createElement("canvas"));
  context.fillStyle = colour;
  context.fillRect(0, 0, 1, 1);
  const [red, green, blue] = context.getImageData(0, 0, 1, 1).data;
  return 0.299 * red + 0.587 * green + 0.114 * blue >= LIGHT;
}
