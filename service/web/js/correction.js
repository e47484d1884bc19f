/** The question which sign it was, for one that was read wrongly. */

import { byId, h } from "./dom.js";
import { glossName } from "./glosses.js";
import { label, t } from "./i18n.js";

/** @typedef {{gloss: string}|{remove: true}|null} Answer null where all stays as it is */

const PICK = "pick:"; // before the gloss that a button stands for

/** The class asks in a dialog: what the sign could also have been comes first, then all signs, then any gloss. */
export class Correction {
  /** @param {() => string[]} glosses gives all signs that could be read */
  constructor(glosses) {
    this.glosses = glosses;
    byId("correct-search").addEventListener("input", () => this.#list());
    byId("correct-search").addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault(); // it would press the first button of the dialog
      const only = this.#only();
      if (only) byId("correct").close(PICK + only);
    });
  }

  /**
   * The method asks about one sign.
   *
   * @param {{gloss: string, alternatives?: {gloss: string}[], confusable_with?: string[]}} sign
   * @param {string|null} noSign the gloss that stands for "no sign"
   * @returns {Promise<Answer>}
   */
  ask(sign, noSign) {
    const dialog = byId("correct");
    const known = this.glosses();
    const likely = [...(sign.alternatives ?? []).map(({ gloss }) => gloss), ...(sign.confusable_with ?? [])]
      .filter((gloss, index, all) => all.indexOf(gloss) === index && gloss !== sign.gloss && gloss !== noSign);
    this.known = [...new Set([...likely, ...known])].sort((a, b) => glossName(a).localeCompare(glossName(b)));
    label(byId("correct-read"), "correct.read", { gloss: glossName(sign.gloss).toUpperCase() });
    byId("correct-likely").replaceChildren(...likely.map(pick));
    byId("correct-likely").hidden = likely.length === 0;
    byId("correct-search").value = "";
    this.#list();
    dialog.returnValue = "";
    dialog.showModal();
    return new Promise((answer) =>
      dialog.addEventListener("close", () => answer(answerOf(dialog.returnValue)), { once: true }));
  }

  /** @type {string[]} */
  known = [];

  get #typed() {
    return byId("correct-search").value.replace(/\s+/g, " ").trim();
  }

  /** @returns {string[]} the signs whose name has what was typed in it */
  get #found() {
    return this.known.filter((gloss) => glossName(gloss).includes(glossName(this.#typed)));
  }

  /** @returns {string|undefined} the sign of exactly that name */
  get #exact() {
    return this.known.find((gloss) => glossName(gloss) === glossName(this.#typed));
  }

  /** @returns {string|undefined} the one gloss that was meant, where there is no doubt */
  #only() {
    const typed = this.#typed;
    return typed ? (this.#exact ?? (this.#found.length ? undefined : typed)) : undefined;
  }

  #list() {
    const typed = this.#typed;
    const found = typed ? this.#found : this.known;
    const written = typed && !this.#exact
      ? [h("button.button.pick", { value: PICK + typed }, t("correct.use", { gloss: typed }))]
      : [];
    byId("correct-all").replaceChildren(...found.map(pick), ...written);
    label(byId("correct-count"), typed ? "correct.found" : null, { n: found.length });
  }
}

/** @param {string} gloss */
const pick = (gloss) => h("button.button.pick", { value: PICK + gloss, "data-gloss": gloss }, h("span.gloss", {}, glossName(gloss)));

/**
 * @param {string} value of the button that was pressed
 * @returns {Answer}
 */
function answerOf(value) {
  if (value === "delete") return { remove: true };
  return value.startsWith(PICK) ? { gloss: value.slice(PICK.length) } : null;
}
