/** The caption under the picture, and what screen readers hear of it. */

import { CaptionState } from "./caption-state.js";
import { byId, h } from "./dom.js";
import { glossName, sureness } from "./glosses.js";
import { readingLines } from "./history.js";
import { onLanguage, t } from "./i18n.js";
import { option } from "./options.js";
import { lines } from "./transcript.js";

/** @import { FinalMessage, InterimMessage } from "../types/messages.js" */
/** @import { History, ShownSign } from "./history.js" */
/** @import { Key } from "./i18n.js" */

const TRAIL = 4; // earlier signs above the current one, or all of its utterance
/** @type {Key} */
const TO_BEGIN = "caption.hint_running"; // said until the first sign
const LONGEST_ANNOUNCED = 20; // lines that screen readers can go back to
const SHORTEST_SIGN_MS = 400; // a shorter movement that was not understood was hardly meant to be a sign

export const hold = option("hold", 4, [2, 4, 8, 0]); // seconds that a sign stays in the caption; 0: until the next one
export const tellUnknown = option("unknown", true, [false, true]); // whether a sign that is not known is mentioned

/** The class shows the caption and tells screen readers of it. */
export class Captions {
  /** @type {string|null} */
  #noSign = null;
  /** @type {((sign: ShownSign) => void)[]} */
  #listeners = [];
  /** @type {number|undefined} */
  #timer = undefined;
  /** @type {Key|null} */
  #hint = null;
  #hasSigned = false;

  /** @param {History} history gets the signs that are read */
  constructor(history) {
    this.history = history;
    /** @type {CaptionState<ShownSign>} */
    this.state = new CaptionState();
    this.trail = TRAIL;
    /** @type {number|null} */
    this.clearMs = null; // how long a final stays, in place of what was chosen
    history.onChange(() => this.#followHistory());
    hold.bind(byId("option-hold"));
    tellUnknown.bind(byId("option-unknown"));
    hold.follow(() => this.#render());
    onLanguage(() => this.#renderAnew());
  }

  get noSign() {
    return this.#noSign;
  }

  set noSign(gloss) {
    this.#noSign = this.history.noSign = gloss;
  }

  /**
   * The method has `listener` called with every sign that is read.
   *
   * @param {(sign: ShownSign) => void} listener
   */
  onSign(listener) {
    this.#listeners.push(listener);
  }

  /**
   * The method sets what stands in place of a caption while there is none.
   *
   * @param {Key|null} hint
   */
  setHint(hint) {
    this.#hint = hint;
    this.#render();
  }

  signStarted() {
    this.#hasSigned = true;
    this.state.begin();
    this.#render();
  }

  /** @param {InterimMessage} message */
  showInterim({ gloss, stable }) {
    this.state.guess(gloss, stable);
    this.#render();
  }

  /** The method takes away the guess of a sign that came to nothing. */
  dropInterim() {
    this.state.drop();
    this.#render();
  }

  /** @param {FinalMessage} final */
  showFinal(final) {
    this.#hasSigned = true;
    if (final.gloss !== this.noSign) {
      const sign = this.history.add(final);
      this.state.show(sign, performance.now());
      this.#announceSign(sign);
      for (const listener of this.#listeners) listener(sign);
    } else if (tellUnknown.value && isUnknownSign(final)) {
      this.state.notice(performance.now());
      this.#announce(t("caption.unknown"));
    } else {
      this.state.drop();
    }
    this.#render();
  }

  #followHistory() {
    for (const sign of this.state.line) if (!this.history.signs.includes(sign)) this.state.remove(sign);
    this.#render();
  }

  /** The method writes everything again. What was announced goes: in another language it would be announced once more. */
  #renderAnew() {
    byId("announce").replaceChildren();
    this.#render();
  }

  #render() {
    this.#settle();
    const { kind, final, guess, trail, notice } = this.state.view;
    const gloss = guess ?? final?.gloss ?? null;
    const word = byId("caption-word");
    byId("caption").dataset.kind = kind;
    byId("caption-trail").toggleAttribute("data-utterance", (this.state.line.at(-1)?.utterance ?? null) !== null);
    byId("caption-trail").replaceChildren(...this.#earlier(trail).map((sign) => h("span.gloss", {}, glossName(sign.gloss))));
    if (gloss) word.dataset.gloss = gloss;
    else delete word.dataset.gloss;
    word.replaceChildren(...(gloss ? [h("span.gloss", {}, glossName(gloss))] : []), ...(kind === "listening" ? dots() : []));
    if (kind === "unknown") word.append(t("caption.unknown"));
    if (kind === "empty" && this.#hint && !(this.#hasSigned && this.#hint === TO_BEGIN)) word.append(t(this.#hint));
    word.toggleAttribute("data-advice", this.#hint?.startsWith("framing.") ?? false);
    byId("caption-meta").replaceChildren(...this.#metaLines(kind === "final" ? final : null, notice));
  }

  /**
   * The method returns the signs that stand above the newest one: some, or all of its utterance.
   *
   * @param {ShownSign[]} trail
   */
  #earlier(trail) {
    const { line } = this.state;
    if (this.trail === 0 || (line.at(-1)?.utterance ?? null) === null) return trail.slice(Math.max(0, trail.length - this.trail));
    const together = lines(line).at(-1) ?? [];
    return trail.filter((sign) => together.includes(sign));
  }

  /**
   * @param {ShownSign|null} final
   * @param {boolean} notice
   */
  #metaLines(final, notice) {
    if (!final) return [];
    return notice ? [h("p.notice-unknown", {}, t("caption.unknown"))] : readingLines(final, this.noSign);
  }

  /** The method empties the caption when it is time to. */
  #settle() {
    clearTimeout(this.#timer);
    const now = performance.now();
    const until = this.state.settle(now, this.clearMs ?? (1000 * hold.value || Infinity));
    if (until !== Infinity) this.#timer = setTimeout(() => this.#render(), Math.ceil(until - now));
  }

  /** @param {ShownSign} sign */
  #announceSign({ gloss, confidence }) {
    const { level, text } = sureness(confidence);
    this.#announce(level === "high" ? glossName(gloss) : `${glossName(gloss)}, ${text}`);
  }

  /** @param {string} text */
  #announce(text) {
    const log = byId("announce");
    log.append(h("p", {}, text));
    while (log.children.length > LONGEST_ANNOUNCED) log.firstChild?.remove();
  }
}

const dots = () => [h("span.dots", {}, h("i"), h("i"), h("i")), h("span.sr-only", {}, t("caption.reading"))];

/**
 * The function tells whether a final that names no sign was a sign that is not known, and not a raised hand or the sign before.
 *
 * @param {FinalMessage} final
 */
const isUnknownSign = ({ reason, start_ms: start, end_ms: end }) => reason === "unsure" && end - start >= SHORTEST_SIGN_MS;
