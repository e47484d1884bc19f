/** The page that shows a session's captions elsewhere: `watch/SESSION#TOKEN`. The token is never part of a request's address. */

import { couldAlsoBeLine, surenessLine } from "./sign-lines.js";
import { byId, h, present } from "./dom.js";
import { EventFeed } from "./events.js";
import { glossName, sureness } from "./glosses.js";
import { label } from "./i18n.js";

/** @import { FinalEvent, ViewEvent } from "../types/messages.js" */
/** @import { FeedState } from "./events.js" */
/** @import { Key } from "./i18n.js" */

/** @typedef {"connecting"|"live"|"waiting"|"lost"|"full"|"gone"|"wrong"} WatchState */

/** @type {Record<WatchState, {state: Key, title?: Key, body?: Key}>} */
const WORDS = {
  connecting: { state: "watch.connecting" },
  live: { state: "watch.live" },
  waiting: { state: "watch.paused", title: "watch.paused_title", body: "watch.paused_body" },
  lost: { state: "watch.lost", title: "watch.lost_title", body: "watch.lost_body" },
  full: { state: "watch.busy", title: "watch.busy_title", body: "watch.busy_body" },
  gone: { state: "watch.gone", title: "watch.gone_title", body: "watch.gone_body" },
  wrong: { state: "watch.wrong", title: "watch.wrong_title", body: "watch.wrong_body" },
};

const TRAIL = 40; // earlier signs; those that find no room are cut off
const ANNOUNCED = 20;

/** The class shows the captions of one view. */
class Watch {
  constructor() {
    /** @type {FinalEvent[]} */
    this.earlier = [];
    /** @type {FinalEvent|null} */
    this.current = null;
    /** @type {{gloss: string|null}|null} */
    this.interim = null; // the sign under way; gloss null while no guess has been stable
    this.signerThere = false;
    /** @type {WatchState} */
    this.state = "connecting";
  }

  start() {
    const session = /\/watch\/([\w-]+)$/.exec(location.pathname)?.[1];
    const token = location.hash.slice(1);
    if (!session || !/^[\w-]+$/.test(token)) return void this.#enter("wrong");
    return void new EventFeed(new URL(`../v1/sessions/${session}/events`, document.baseURI), token, {
      onEvent: (event, isOld) => this.#receive(event, isOld),
      onState: (state) => this.#follow(state),
    }).run();
  }

  /** @param {FeedState} state */
  #follow(state) {
    if (state !== "open") this.interim = null;
    if (state === "open") this.#enter(this.signerThere ? "live" : "waiting");
    else if (state === "gone" && this.state === "connecting") this.#enter("wrong");
    else this.#enter(state);
  }

  /** @param {WatchState} state */
  #enter(state) {
    this.state = state;
    const { state: name, title, body } = WORDS[state];
    byId("watch-state").dataset.state = state;
    label(byId("watch-state-text"), name);
    byId("watch-notice").hidden = !title;
    if (title) label(byId("watch-notice-title"), title);
    if (body) label(byId("watch-notice-body"), body);
    this.#render();
  }

  /**
   * @param {ViewEvent} event
   * @param {boolean} isOld
   */
  #receive(event, isOld) {
    if (event.type === "sign_started") this.interim = { gloss: null };
    if (event.type === "interim") this.interim = { gloss: event.stable ? event.gloss : (this.interim?.gloss ?? null) };
    if (event.type === "no_sign") this.interim = null;
    if (event.type === "final") this.#showFinal(event, isOld);
    if (event.type === "started" || event.type === "ended") {
      this.signerThere = event.type === "started";
      this.interim = null;
      this.#retire();
      this.#enter(this.signerThere ? "live" : "waiting");
    }
    this.#render();
  }

  /**
   * @param {FinalEvent} sign
   * @param {boolean} isOld
   */
  #showFinal(sign, isOld) {
    this.interim = null;
    this.#retire();
    if (isOld) return void this.earlier.push(sign);
    this.current = sign;
    const { level, text } = sureness(sign.confidence);
    const log = byId("watch-log");
    log.append(h("p", {}, level === "high" ? glossName(sign.gloss) : `${glossName(sign.gloss)}, ${text}`));
    while (log.children.length > ANNOUNCED) log.firstChild?.remove();
    return undefined;
  }

  /** The sign on show becomes an earlier one. */
  #retire() {
    if (this.current) this.earlier.push(this.current);
    this.current = null;
    this.earlier.splice(0, Math.max(0, this.earlier.length - TRAIL));
  }

  #render() {
    const shown = this.interim ? null : this.current;
    const earlier = present([...this.earlier, this.interim ? this.current : null]);
    const gloss = this.interim ? this.interim.gloss : (shown?.gloss ?? null);
    byId("watch-lines").toggleAttribute("data-empty", !earlier.length && !this.interim && !shown);
    byId("watch-trail").replaceChildren(...earlier.map((sign) => h("span.gloss", {}, glossName(sign.gloss))));
    const word = byId("watch-word");
    word.dataset.kind = this.interim ? (gloss ? "interim" : "listening") : shown ? "final" : "empty";
    word.replaceChildren(...(gloss ? [h("span.gloss", { "data-gloss": gloss }, glossName(gloss))]
      : this.interim ? [h("span.dots", {}, h("i"), h("i"), h("i")), label(h("span.sr-only"), "caption.reading")] : []));
    byId("watch-meta").replaceChildren(...(shown ? present([surenessLine(shown.confidence), couldAlsoBeLine(shown, null)]) : []));
  }
}

/** The screen stays on while the page is in sight, where the browser has that; nothing is lost where it has not. */
async function stayAwake() {
  if (document.visibilityState !== "visible") return;
  await navigator.wakeLock?.request("screen").catch(() => null);
}

function offerFullScreen() {
  const button = byId("watch-full");
  const name = () => label(button, document.fullscreenElement ? "watch.leave_full_screen" : "watch.full_screen");
  button.hidden = !document.fullscreenEnabled;
  button.addEventListener("click", () =>
    document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen());
  document.addEventListener("fullscreenchange", name);
  name();
}

offerFullScreen();
stayAwake();
document.addEventListener("visibilitychange", stayAwake);
window.addEventListener("hashchange", () => location.reload()); // another link
new Watch().start();
