/** How a stage fits the screen: full screen, and the caption over the picture where there is no room below it. */

import { byId } from "./dom.js";
import { onLanguage, t } from "./i18n.js";
import { drawIcon } from "./icons.js";
import { option } from "./options.js";

/** Where the caption lies over the picture, a phone held sideways; css/screen.css has the same condition. */
export const SIDEWAYS = "(max-height: 500px) and (min-width: 560px) and (orientation: landscape)";

const textSize = option("text_size", "normal", ["small", "normal", "large", "largest"]);

/** The function has captions be as large as the person chose, and offers the choice. */
export function offerTextSize() {
  textSize.bind(byId("text-size"));
  textSize.follow((size) => (document.documentElement.dataset.text = size));
}

/**
 * The class is a stage that can fill the screen. While it does, nothing outside it can be reached with the keyboard. Where
 * the browser has no full screen for parts of a page, as on an iPhone, the stage fills the window.
 */
export class Screen {
  /**
   * @param {HTMLElement} stage
   * @param {HTMLButtonElement} button fills the screen with the stage, and leaves it again
   */
  constructor(stage, button) {
    this.stage = stage;
    this.button = button;
    this.full = false;
    this.sideways = window.matchMedia(SIDEWAYS);
    this.sideways.addEventListener("change", () => this.#render());
    button.addEventListener("click", () => (this.full ? this.leave() : this.#fill()));
    document.addEventListener("fullscreenchange", () => document.fullscreenElement !== stage && this.leave());
    document.addEventListener("keydown", ({ key }) => key === "Escape" && this.leave());
    window.addEventListener("hashchange", () => this.leave());
    onLanguage(() => this.#render());
    this.#render();
  }

  leave() {
    if (!this.full) return;
    this.full = false;
    if (document.fullscreenElement === this.stage) document.exitFullscreen();
    this.#render();
  }

  async #fill() {
    this.full = true;
    this.#render();
    try {
      await this.stage.requestFullscreen({ navigationUI: "hide" });
    } catch {
      // The stage fills the window all the same.
    }
  }

  #render() {
    const { stage, button, full } = this;
    stage.classList.toggle("full", full);
    stage.classList.toggle("over", full || this.sideways.matches);
    for (const outside of this.#outside()) outside.toggleAttribute("inert", full);
    const name = t(full ? "screen.leave" : "screen.fill");
    button.setAttribute("aria-label", name);
    button.title = name;
    drawIcon(/** @type {SVGElement} */ (button.firstElementChild), full ? "shrink" : "grow");
  }

  /** The method returns everything that is not the stage or around it; dialogs open above the stage. */
  *#outside() {
    for (let inner = this.stage; inner !== document.body && inner.parentElement; inner = inner.parentElement) {
      for (const beside of inner.parentElement.children) {
        if (beside !== inner && beside.localName !== "dialog") yield beside;
      }
    }
  }
}
