/** What the stage shows around the picture: notices, banners, hints, and which buttons there are. */

import { byId } from "./dom.js";
import { drawIcon } from "./icons.js";
import { BANNERS, NOTICES, SENT } from "./messages.js";

const ON = ["running", "waiting"]; // states with a picture
const PROBLEM_ICONS = new Set(["camera-off", "offline"]);
const HINT_MS = 6000;
const HINTS = {
  welcome: "Captions appear here",
  asking: "Captions appear here",
  preparing: "Captions appear here",
  connecting: "Captions appear here",
  running: "Sign something",
  waiting: "Captions go on once the connection is back",
};

export class Stage {
  /** @param {import("./captions.js").Captions} captions */
  constructor(captions) {
    this.captions = captions;
    this.element = byId("stage");
    this.show("welcome");
  }

  /** @param {string} state "welcome", "running", "waiting" with the name of a banner, or the name of a notice */
  show(state, banner = null) {
    this.state = state;
    this.banner = banner;
    this.element.dataset.state = state;
    const notice = NOTICES[state];
    byId("welcome").hidden = state !== "welcome";
    byId("notice").hidden = !notice;
    byId("banner").hidden = state !== "waiting";
    byId("controls").hidden = !ON.includes(state);
    byId("mirror").hidden = ![...ON, "preparing", "connecting"].includes(state);
    if (notice) this.#fillNotice(notice);
    if (banner) byId("banner-title").textContent = BANNERS[banner].title;
    byId("banner-action").hidden = banner === "busy"; // it has said when to come back
    byId("hint").textContent = "";
    byId("chip").hidden = !ON.includes(state);
    byId("chip-text").textContent = state === "running" ? "Live" : banner ? BANNERS[banner].chip : "";
    this.captions.setHint(HINTS[state] ?? "");
    if (state === "running" && document.activeElement === document.body) byId("pause").focus({ preventScroll: true });
  }

  /** A banner that counts down to the next attempt. */
  wait(banner, delayMs) {
    const until = performance.now() + delayMs;
    this.show("waiting", banner);
    clearInterval(this.countdown);
    const tell = () => {
      if (this.state !== "waiting") return clearInterval(this.countdown);
      const seconds = Math.ceil((until - performance.now()) / 1000);
      const body = `${BANNERS[this.banner].body}${seconds > 0 ? ` in ${seconds} s.` : "…"}`;
      byId("banner-body").textContent = body;
    };
    tell();
    this.countdown = setInterval(tell, 500);
  }

  /** A line that goes away by itself. */
  hint(text) {
    byId("hint").textContent = text;
    clearTimeout(this.hintTimer);
    this.hintTimer = setTimeout(() => (byId("hint").textContent = ""), HINT_MS);
  }

  /** @param {string} key of `SENT`: what leaves the device */
  tellSent(key) {
    this.element.dataset.sends = key;
    byId("sent").textContent = SENT[key];
  }

  /** Small figures for those who look for them. */
  tellFigures(figures) {
    byId("figures").textContent = figures.filter(Boolean).join(" · ");
  }

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
