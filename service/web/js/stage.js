/** What the stage shows around the picture: notices, banners, hints, and which buttons there are. */

import { byId } from "./dom.js";
import { label, t } from "./i18n.js";
import { drawIcon } from "./icons.js";
import { NOTICES } from "./messages.js";
import { HintLine } from "./viewfinder.js";

/** @import { Hint } from "./framing.js" */
/** @import { Key } from "./i18n.js" */
/** @import { BannerName, NoticeName } from "./messages.js" */

/** @typedef {"welcome"|"running"|"waiting"|NoticeName} State */

/** @type {State[]} */
const ON = ["running", "waiting"]; // states with a picture
/** @type {Set<string>} */
const PROBLEM_ICONS = new Set(["camera-off", "offline"]);
const HINT_MS = 6000;
/** @type {Partial<Record<State, Key>>} */
const HINTS = {
  welcome: "caption.hint_ready",
  asking: "caption.hint_ready",
  preparing: "caption.hint_ready",
  connecting: "caption.hint_ready",
  running: "caption.hint_running",
  waiting: "caption.hint_waiting",
};

/** The class shows one state at a time on the element around the picture. */
export class Stage {
  /** @param {import("./captions.js").Captions} captions */
  constructor(captions) {
    this.captions = captions;
    this.element = byId("stage");
    /** @type {State} */
    this.state = "welcome";
    /** @type {BannerName|null} */
    this.banner = null;
    /** @type {number|undefined} */
    this.countdown = undefined;
    /** @type {number|undefined} */
    this.hintTimer = undefined;
    /** @type {Hint|null} */
    this.framing = null;
    this.framingLine = new HintLine("framing");
    this.show("welcome");
  }

  /**
   * The method shows a state.
   *
   * @param {State} state
   * @param {BannerName|null} banner the banner of the state "waiting"
   */
  show(state, banner = null) {
    this.state = state;
    this.banner = banner;
    this.element.dataset.state = state;
    const notice = state === "welcome" || state === "running" || state === "waiting" ? null : state;
    byId("welcome").hidden = state !== "welcome";
    byId("notice").hidden = !notice;
    byId("banner").hidden = state !== "waiting";
    byId("controls").hidden = !ON.includes(state);
    byId("mirror").hidden = !ON.includes(state) && state !== "preparing" && state !== "connecting";
    if (notice) this.#fillNotice(notice);
    if (banner) label(byId("banner-title"), `banner.${banner}_title`);
    byId("banner-action").hidden = banner === "busy"; // it has said when to come back
    label(byId("hint"), null);
    byId("chip").hidden = !ON.includes(state);
    label(byId("chip-text"), state === "running" ? "live.chip" : banner && `banner.${banner}_chip`);
    this.#fillCaption();
    if (state === "running" && document.activeElement === document.body) byId("pause").focus({ preventScroll: true });
  }

  /**
   * The method shows a banner that counts down to the next attempt.
   *
   * @param {BannerName} banner
   * @param {number} delayMs
   */
  wait(banner, delayMs) {
    const until = performance.now() + delayMs;
    this.show("waiting", banner);
    clearInterval(this.countdown);
    const update = () => {
      if (this.state !== "waiting" || !this.banner) return clearInterval(this.countdown);
      const n = Math.ceil((until - performance.now()) / 1000);
      byId("banner-body").textContent = n > 0 ? t(`banner.${this.banner}_in`, { n }) : t(`banner.${this.banner}_now`);
      return undefined;
    };
    update();
    this.countdown = setInterval(update, 500);
  }

  /**
   * The method shows a line that goes away by itself.
   *
   * @param {Key} key
   */
  hint(key) {
    label(byId("hint"), key);
    clearTimeout(this.hintTimer);
    this.hintTimer = setTimeout(() => label(byId("hint"), null), HINT_MS);
  }

  /**
   * The method says what to change about the picture: in place of a caption where there is none, else over the picture.
   *
   * @param {Hint|null} framing
   */
  frame(framing) {
    this.framing = framing;
    this.framingLine.show(framing);
    this.#fillCaption();
  }

  #fillCaption() {
    const framing = this.state === "running" ? this.framing : null;
    this.captions.setHint(framing ? `framing.${framing}` : (HINTS[this.state] ?? null));
  }

  /**
   * The method shows small figures for those who look for them.
   *
   * @param {(string|null)[]} figures
   */
  tellFigures(figures) {
    byId("figures").textContent = figures.filter(Boolean).join(" · ");
  }

  /** @param {NoticeName} name */
  #fillNotice(name) {
    const { icon, action, pictures } = NOTICES[name];
    drawIcon(byId("notice-icon"), icon);
    label(byId("notice-title"), `notice.${name}_title`);
    label(byId("notice-body"), `notice.${name}_body`);
    byId("notice-action").hidden = !action;
    label(byId("notice-action"), action ? `notice.action_${action}` : null);
    byId("notice-pictures").hidden = !pictures;
    byId("notice-clip").hidden = icon !== "camera-off";
    byId("notice").dataset.tone = PROBLEM_ICONS.has(icon) ? "problem" : "calm";
  }
}
