/** The hint about how a person sits in the picture: watches camera and points, shows it, and tells screen readers. */

import { brightness, Framing } from "./framing.js";
import { byId } from "./dom.js";
import { label } from "./i18n.js";

/** @import { Hint } from "./framing.js" */
/** @import { Landmarks } from "./figure.js" */

const LIGHT_MS = 500; // between two looks at the brightness
const STALE_MS = 2000; // without points nothing is known any more
const AGAIN_MS = 30_000; // before a hint that comes back is announced anew

/** The class watches one camera while its pictures are read. */
export class Viewfinder {
  /**
   * @param {HTMLVideoElement} video
   * @param {(hint: Hint|null) => void} onHint hears each change
   */
  constructor(video, onHint) {
    this.video = video;
    this.onHint = onHint;
    /** @type {Hint|null} */
    this.hint = null;
    /** @type {number|undefined} */
    this.timer = undefined;
    this.framing = new Framing();
    this.light = Infinity;
    this.lightAt = -Infinity;
  }

  /** The method forgets what was seen. */
  clear() {
    this.framing = new Framing();
    this.light = Infinity;
    this.lightAt = -Infinity;
    clearTimeout(this.timer);
    this.#tell(null);
  }

  /**
   * The method takes what was found in a picture.
   *
   * @param {Landmarks & {people?: number}} points people: 1 where nobody counts them
   */
  see(points) {
    const { video } = this;
    const now = performance.now();
    if (now - this.lightAt >= LIGHT_MS) {
      this.lightAt = now;
      this.light = brightness(video);
    }
    const aspect = video.videoWidth / video.videoHeight || 4 / 3;
    this.#tell(this.framing.see({ points, people: points.people ?? 1, light: this.light, aspect }, now));
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.clear(), STALE_MS);
  }

  /** @param {Hint|null} hint */
  #tell(hint) {
    if (hint === this.hint) return;
    this.hint = hint;
    this.onHint(hint);
  }
}

/** The class is the line over the picture, and its announcement. */
export class HintLine {
  /** @param {"framing"|"teach-framing"|"practice-framing"} id of the line; that of what is announced ends with "-say" */
  constructor(id) {
    this.line = byId(id);
    this.said = byId(`${id}-say`);
    /** @type {Map<Hint, number>} */
    this.saidAt = new Map();
  }

  /** @param {Hint|null} hint */
  show(hint) {
    this.line.hidden = !hint;
    if (!hint) return;
    this.line.dataset.hint = hint;
    label(this.line, `framing.${hint}`);
    const now = performance.now();
    if (now - (this.saidAt.get(hint) ?? -Infinity) < AGAIN_MS) return;
    this.saidAt.set(hint, now);
    this.said.replaceChildren(); // the same text again is a change as well
    label(this.said, `framing.${hint}`);
  }
}
