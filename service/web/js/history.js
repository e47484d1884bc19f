/** The list "Your signs": what was signed, corrected where it was read wrongly, and what is copied and saved of it. */

import { byId, h, present } from "./dom.js";
import { glossName } from "./glosses.js";
import { label, onLanguage, t } from "./i18n.js";
import { couldAlsoBeLine, surenessLine } from "./sign-lines.js";
import { clock, save, transcript } from "./transcript.js";

/** @import { FinalMessage } from "../types/messages.js" */
/** @import { Correction } from "./correction.js" */
/** @import { Key } from "./i18n.js" */
/** @import { Kind } from "./transcript.js" */

/** @typedef {FinalMessage & {at: Date, read_as: string, corrected: boolean}} ShownSign `gloss` is what it was corrected to */

const LONGEST = 200; // signs that are listed; what is saved has all

/** The class keeps the signs of this page and shows them, the newest first. */
export class History {
  /** @type {(() => void)[]} */
  #listeners = [];
  /** @type {(() => void)|null} */
  #undo = null;

  /** @param {Correction} correction */
  constructor(correction) {
    this.correction = correction;
    /** @type {string|null} */
    this.noSign = null;
    /** @type {ShownSign[]} */
    this.signs = [];
    this.originMs = performance.now(); // of the transcript
    byId("clear").addEventListener("click", () => this.clear());
    byId("copy").addEventListener("click", () => this.copy());
    onLanguage(() => this.#list());
    byId("undo").addEventListener("click", () => this.#takeBack());
    for (const button of byId("saves").querySelectorAll("button")) {
      button.addEventListener("click", () => this.save(/** @type {Kind} */ (button.value)));
    }
  }

  /**
   * The method has `listener` called when signs were corrected, deleted or brought back.
   *
   * @param {() => void} listener
   */
  onChange(listener) {
    this.#listeners.push(listener);
  }

  /**
   * The method adds a sign that was read.
   *
   * @param {FinalMessage} final
   * @returns {ShownSign}
   */
  add(final) {
    const sign = { ...final, at: new Date(), read_as: final.gloss, corrected: false };
    this.signs.push(sign);
    byId("history").prepend(this.#entry(sign));
    while (byId("history").children.length > LONGEST) byId("history").lastChild?.remove();
    this.#showTools();
    return sign;
  }

  clear() {
    this.signs = [];
    this.originMs = performance.now();
    this.#undo = null;
    this.#say(null);
    this.#changed();
    byId("history").focus({ preventScroll: true });
  }

  async copy() {
    const text = transcript("txt", this.signs, this.originMs);
    const button = byId("copy");
    try {
      await navigator.clipboard.writeText(text);
      label(button, "history.copied");
    } catch {
      label(button, "history.not_copied");
    }
    setTimeout(() => label(button, "history.copy"), 2000);
  }

  /** @param {Kind} kind */
  save(kind) {
    save(kind, transcript(kind, this.signs, this.originMs));
  }

  /** @param {ShownSign} sign */
  async #correct(sign) {
    const answer = await this.correction.ask(sign, this.noSign);
    const place = this.signs.indexOf(sign);
    if (answer === null || place < 0) return;
    const before = { gloss: sign.gloss, corrected: sign.corrected };
    if ("remove" in answer) {
      this.signs.splice(place, 1);
      this.#undo = () => this.#bringBack(sign, place);
      this.#say("correct.deleted", sign);
    } else {
      Object.assign(sign, { gloss: answer.gloss, corrected: answer.gloss !== sign.read_as });
      this.#undo = () => this.#changeBack(sign, before);
      this.#say("correct.changed", sign);
    }
    this.#changed(sign);
  }

  /**
   * @param {ShownSign} sign
   * @param {number} place
   */
  #bringBack(sign, place) {
    this.signs.splice(place, 0, sign);
    this.#say("correct.restored", sign);
    this.#changed(sign);
  }

  /**
   * @param {ShownSign} sign
   * @param {{gloss: string, corrected: boolean}} before
   */
  #changeBack(sign, before) {
    Object.assign(sign, before);
    this.#say("correct.changed", sign);
    this.#changed(sign);
  }

  #takeBack() {
    const undo = this.#undo;
    this.#undo = null;
    undo?.();
  }

  /**
   * The method shows the list anew.
   *
   * @param {ShownSign|null} focused the sign whose button gets the focus; where it was deleted, "Undo" does
   */
  #changed(focused = null) {
    this.#list();
    byId("undo").hidden = this.#undo === null;
    this.#showTools();
    if (focused) this.#focus(this.signs.slice(-LONGEST).reverse().indexOf(focused));
    for (const listener of this.#listeners) listener();
  }

  #list() {
    byId("history").replaceChildren(...this.signs.slice(-LONGEST).reverse().map((sign) => this.#entry(sign)));
  }

  /** @param {number} place in the list; -1 is none */
  #focus(place) {
    const button = /** @type {HTMLElement|null|undefined} */ (byId("history").children[place]?.querySelector("button"));
    (button ?? byId("undo")).focus();
  }

  /**
   * @param {Key|null} what
   * @param {ShownSign|null} sign
   */
  #say(what, sign = null) {
    label(byId("history-say"), what, sign ? { gloss: glossName(sign.gloss).toUpperCase() } : {});
  }

  /** @param {ShownSign} sign */
  #entry(sign) {
    const time = clock(sign.at);
    return h("li", { "data-gloss": sign.gloss, "data-corrected": sign.corrected },
      h("time", { datetime: sign.at.toISOString() }, time),
      h("div", {}, h("p.history-gloss", {}, h("span.gloss", {}, glossName(sign.gloss))), ...readingLines(sign, this.noSign)),
      h("button.button.link.wrong", { type: "button", onclick: () => this.#correct(sign) }, t("correct.wrong"),
        h("span.sr-only", {}, ` ${glossName(sign.gloss)}, ${time}`)));
  }

  #showTools() {
    byId("history-empty").hidden = this.signs.length > 0;
    byId("history-tools").hidden = byId("saves").hidden = this.signs.length === 0;
  }
}

/**
 * The function makes the lines below a sign: how sure its reading is and what else it could be, or what it was corrected from.
 *
 * @param {ShownSign} sign
 * @param {string|null} noSign the gloss that stands for "no sign"
 */
export function readingLines(sign, noSign) {
  if (sign.corrected) return [h("p.corrected", {}, t("correct.was", { gloss: glossName(sign.read_as).toUpperCase() }))];
  return present([surenessLine(sign.confidence), couldAlsoBeLine(sign, noSign)]);
}
