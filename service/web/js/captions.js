/** The caption under the picture, the list of signs beside it, and what screen readers hear of both. */

import { bar, byId, h, present } from "./dom.js";
import { couldAlsoBe, glossName, percent, sureness } from "./glosses.js";
import { label, onLanguage, t } from "./i18n.js";
import { signName } from "./look.js";
import { clock, save, transcript } from "./transcript.js";

/** @import { FinalMessage, InterimMessage } from "../types/messages.js" */
/** @import { Guess } from "./glosses.js" */
/** @import { Key } from "./i18n.js" */

/** @typedef {FinalMessage & {at: Date}} ShownSign */

const TRAIL = 4; // earlier signs above the current one
const LONGEST_HISTORY = 200;

/**
 * The function makes the line "Could also be THANKS 18%, NO 12%. Similar: HELP".
 *
 * @param {{gloss: string, alternatives?: Guess[], confusable_with?: string[]}} sign
 * @param {string|null} noSign the gloss that stands for "no sign"
 * @returns {HTMLElement|null} null where nothing else comes into question
 */
export function couldAlsoBeLine(sign, noSign) {
  const { likely, similar } = couldAlsoBe(sign, noSign);
  if (!likely.length && !similar.length) return null;
  const name = (/** @type {string} */ gloss, more = "") =>
    h("span.other", { "data-gloss": gloss }, signName(gloss), more);
  const likelyNames = likely.map(({ gloss, confidence }) => name(gloss, ` ${percent(confidence)}`));
  const similarNames = similar.map((gloss) => name(gloss));
  return h("p.could", {},
    ...(likely.length ? [t("caption.could_be"), " ", ...listed(likelyNames)] : []),
    ...(similar.length ? [likely.length ? ". " : "", t("caption.similar"), " ", ...listed(similarNames)] : []));
}

/**
 * @param {HTMLElement[]} items
 * @returns {(HTMLElement|string)[]}
 */
const listed = (items) => items.flatMap((item, index) => (index ? [", ", item] : [item]));

/**
 * The function makes a line of a bar, the per cent and the same in words.
 *
 * @param {number} confidence 0..1
 */
export function surenessLine(confidence) {
  const { level, text } = sureness(confidence);
  return h("p.sureness", { "data-level": level }, bar(confidence),
    h("span.sureness-text", {}, h("strong", {}, percent(confidence)), ` ${text}`));
}

/** The class shows the caption and the list of signs, and tells screen readers of both. */
export class Captions {
  constructor() {
    /** @type {string|null} */
    this.noSign = null;
    /** @type {ShownSign[]} */
    this.finals = [];
    /** @type {ShownSign|null} */
    this.current = null; // the final on show
    /** @type {{gloss: string|null}|null} */
    this.interim = null; // the sign under way; gloss null while no guess has been stable
    /** @type {Key|null} */
    this.idleHint = null;
    this.trail = TRAIL;
    this.clearMs = Infinity; // the caption goes when it has stood so long
    this.gone = 0; // finals that are not in the trail any more
    /** @type {number|undefined} */
    this.clearing = undefined;
    this.originMs = performance.now(); // of the transcript
    onLanguage(() => this.#renderAnew());
    byId("clear").addEventListener("click", () => this.clear());
    byId("copy").addEventListener("click", () => this.copy());
    for (const button of byId("saves").querySelectorAll("button")) {
      button.addEventListener("click", () => this.save(/** @type {import("./transcript.js").Kind} */ (button.value)));
    }
  }

  /**
   * The method sets what stands in place of a caption while there is none.
   *
   * @param {Key|null} hint
   */
  setHint(hint) {
    this.idleHint = hint;
    this.#render();
  }

  signStarted() {
    this.interim = { gloss: null };
    this.#render();
  }

  /**
   * A stable word stays until another is stable or the final comes: a word that comes and goes is harder to read.
   *
   * @param {InterimMessage} message
   */
  showInterim({ gloss, stable }) {
    if (stable) this.interim = { gloss };
    else if (!this.interim) this.interim = { gloss: null };
    else return;
    this.#render();
  }

  /** The method takes away the guess of a sign that came to nothing. */
  dropInterim() {
    if (!this.interim) return;
    this.interim = null;
    this.#render();
  }

  /** @param {FinalMessage} sign */
  showFinal(sign) {
    this.interim = null;
    this.current = null;
    if (sign.gloss !== this.noSign) {
      this.current = { ...sign, at: new Date() };
      this.finals.push(this.current);
      this.#announce(sign);
      this.#addToHistory(this.current);
    }
    this.#render();
  }

  clear() {
    this.finals = [];
    this.gone = 0;
    this.current = null;
    this.originMs = performance.now();
    byId("history").replaceChildren();
    this.#showTools();
    this.#render();
    byId("history").focus({ preventScroll: true });
  }

  async copy() {
    const text = transcript("txt", this.finals, this.originMs);
    const button = byId("copy");
    try {
      await navigator.clipboard.writeText(text);
      label(button, "history.copied");
    } catch {
      label(button, "history.not_copied");
    }
    setTimeout(() => label(button, "history.copy"), 2000);
  }

  /** @param {import("./transcript.js").Kind} kind */
  save(kind) {
    save(kind, transcript(kind, this.finals, this.originMs));
  }

  #render() {
    const shown = this.interim ? null : this.current;
    const earlier = this.finals.slice(this.gone, shown ? -1 : undefined);
    byId("caption-trail").replaceChildren(
      ...earlier.slice(Math.max(0, earlier.length - this.trail)).map((sign) => h("span.gloss", {}, glossName(sign.gloss))));
    const word = byId("caption-word");
    const box = byId("caption");
    const gloss = this.interim ? this.interim.gloss : (shown?.gloss ?? null);
    box.dataset.kind = this.interim ? (gloss ? "interim" : "listening") : shown ? "final" : "empty";
    if (gloss) word.dataset.gloss = gloss;
    else delete word.dataset.gloss;
    word.toggleAttribute("data-advice", this.idleHint?.startsWith("framing.") ?? false);
    word.replaceChildren(...this.#wordParts(gloss));
    byId("caption-meta").replaceChildren(
      ...(shown ? present([surenessLine(shown.confidence), couldAlsoBeLine(shown, this.noSign)]) : []));
    clearTimeout(this.clearing);
    if (!this.interim && this.gone < this.finals.length && this.clearMs < Infinity) {
      this.clearing = setTimeout(() => this.#takeAway(), this.clearMs);
    }
  }

  /** The method takes the caption and the trail away; the list of signs keeps them. */
  #takeAway() {
    this.gone = this.finals.length;
    this.current = null;
    this.#render();
  }

  /** @param {string|null} gloss */
  #wordParts(gloss) {
    if (gloss) return [h("span.gloss", {}, glossName(gloss))];
    if (!this.interim) return this.idleHint ? [t(this.idleHint)] : [];
    return [h("span.dots", {}, h("i"), h("i"), h("i")), h("span.sr-only", {}, t("caption.reading"))];
  }

  /** @param {FinalMessage} sign */
  #announce(sign) {
    const { level, text } = sureness(sign.confidence);
    const log = byId("announce");
    log.append(h("p", {}, level === "high" ? glossName(sign.gloss) : `${glossName(sign.gloss)}, ${text}`));
    while (log.children.length > 20) log.firstChild?.remove();
  }

  /** @param {ShownSign} sign */
  #addToHistory(sign) {
    const list = byId("history");
    list.prepend(this.#entry(sign));
    while (list.children.length > LONGEST_HISTORY) list.lastChild?.remove();
    this.#showTools();
  }

  /** @param {ShownSign} sign */
  #entry(sign) {
    return h("li", { "data-gloss": sign.gloss },
      h("time", { datetime: sign.at.toISOString() }, clock(sign.at)),
      h("div", {}, h("p.history-gloss", {}, h("span.gloss", {}, glossName(sign.gloss))),
        surenessLine(sign.confidence), couldAlsoBeLine(sign, this.noSign)));
  }

  /** The method writes everything again. What was announced goes: in another language it would be announced once more. */
  #renderAnew() {
    byId("announce").replaceChildren();
    byId("history").replaceChildren(...this.finals.slice(-LONGEST_HISTORY).reverse().map((sign) => this.#entry(sign)));
    this.#render();
  }

  #showTools() {
    byId("history-empty").hidden = this.finals.length > 0;
    byId("history-tools").hidden = byId("saves").hidden = this.finals.length === 0;
  }
}
