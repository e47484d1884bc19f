/** What the stage shows around the picture: notices, banners, hints, and which buttons there are. */

import { byId } from "./dom.js";
import { drawIcon } from "./icons.js";
import { BANNERS, NOTICES, SENT } from "./messages.js";

/** @import { BannerName, Notice, NoticeName, SentName } from "./messages.js" */

/** @typedef {"welcome"|"running"|"waiting"|NoticeName} State */

/** @type {State[]} */
const ON = ["running", "waiting"]; // states with a picture
/** @type {Set<string>} */
const PROBLEM_ICONS = new Set(["camera-off", "offline"]);
const HINT_MS = 6000;
/** @type {Partial<Record<State, string>>} */
const HINTS = {
  welcome: "Captions appear here",
  asking: "Captions appear here",
  preparing: "Captions appear here",
  connecting: "Captions appear here",
  running: "Sign something",
  waiting: "Captions go on once the connection is back",
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
    /** @type {Notice|undefined} */
    const notice = /** @type {Partial<Record<State, Notice>>} */ (NOTICES)[state];
    byId("welcome").hidden = state !== "welcome";
    byId("notice").hidden = !notice;
    byId("banner").hidden = state !== "waiting";
    byId("controls").hidden = !ON.includes(state);
    byId("mirror").hidden = !ON.includes(state) && state !== "preparing" && state !== "connecting";
    if (notice) this.#fillNotice(notice);
    if (banner) byId("banner-title").textContent = BANNERS[banner].title;
    byId("banner-action").hidden = banner === "busy"; // it has said when to come back
    byId("hint").textContent = "";
    byId("chip").hidden = !ON.includes(state);
    byId("chip-text").textContent = state === "running" ? "Live" : banner ? BANNERS[banner].chip : "";
    this.captions.setHint(HINTS[state] ?? "");
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
      const seconds = Math.ceil((until - performance.now()) / 1000);
      const body = `${BANNERS[this.banner].body}${seconds > 0 ? ` in ${seconds} s.` : "…"}`;
      byId("banner-body").textContent = body;
      return undefined;
    };
    update();
    this.countdown = setInterval(update, 500);
  }

  /**
   * The method shows a line that goes away by itself.
   *
   * @param {string} text
   */
  hint(text) {
    byId("hint").textContent = text;
    clearTimeout(this.hintTimer);
    this.hintTimer = setTimeout(() => (byId("hint").textContent = ""), HINT_MS);
  }

  /**
   * The method says what leaves the device.
   *
   * @param {SentName} key
   */
  tellSent(key) {
    this.element.dataset.sends = key;
    byId("sent").textContent = SENT[key];
  }

  /**
   * The method shows small figures for those who look for them.
   *
   * @param {(string|null)[]} figures
   */
  tellFigures(figures) {
    byId("figures").textContent = figures.filter(Boolean).join(" · ");
  }

  /** @param {Notice} notice */
  #fillNotice({ icon, title, body, action, pictures }) {
    drawIcon(byId("notice-icon"), icon);
    byId("notice-title").textContent = title;
    byId("notice-body").textContent = body;
    byId("notice-action").hidden = !action;
    byId("notice-action").textContent = action ?? "";
    byId("notice-pictures").hidden = !pictures;
    byId("notice-clip").hidden = icon !== "camera-off";
    byId("notice").dataset.tone = PROBLEM_ICONS.has(icon) ? "problem" : "calm";
  }
}
