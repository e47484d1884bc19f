/** The view of the signs that the bundle knows, with what is known of each. */

import { bar, byId, h, present } from "./dom.js";
import { examples } from "./examples.js";
import { glossName, isLetter } from "./glosses.js";
import { label, number, onLanguage, t } from "./i18n.js";
import { signName } from "./look.js";
import { Replay } from "./skeleton.js";
import { named } from "./teach-messages.js";

/** @import { BundleDescription } from "../types/messages.js" */
/** @import { Key } from "./i18n.js" */

const FEW_SIGNERS = 3; // fewer than this and new people will often be misread
const LETTERS_APART_FROM = 3; // one single letter, as "i", is rather a word

/**
 * @typedef {{gloss: string, signers: number, accuracy: number|null, clips: number, similar: string[]}} Sign
 */

/**
 * The function returns a bundle's signs in the order of the alphabet, without the "no sign" class.
 *
 * @param {Pick<BundleDescription, "vocabulary"|"no_sign">} bundle
 * @returns {Sign[]}
 */
export function signsOf(bundle) {
  return bundle.vocabulary
    .filter(({ gloss }) => gloss !== bundle.no_sign)
    .map((entry) => ({
      gloss: entry.gloss,
      signers: entry.signers,
      accuracy: entry.accuracy,
      clips: entry.clips,
      similar: entry.confusable_with.filter((g) => g !== bundle.no_sign),
    }))
    .sort((a, b) => glossName(a.gloss).localeCompare(glossName(b.gloss)));
}

/** The class shows the list of signs and searches it. */
export class Signs {
  constructor() {
    /** @type {Sign[]} */
    this.signs = [];
    /** @type {Replay[]} */
    this.replays = [];
    this.lettersApart = false;
    this.measured = false;
    byId("signs-search").addEventListener("input", () => this.#render());
    onLanguage(() => this.signs.length && this.#renderAll());
  }

  /** @param {BundleDescription} bundle */
  show(bundle) {
    this.signs = signsOf(bundle);
    this.lettersApart = this.signs.filter(({ gloss }) => isLetter(gloss)).length >= LETTERS_APART_FROM;
    this.measured = this.signs.some(({ accuracy }) => accuracy !== null);
    byId("signs-tools").hidden = false;
    this.#renderAll();
  }

  #renderAll() {
    const letters = this.lettersApart ? this.signs.filter(({ gloss }) => isLetter(gloss)).length : 0;
    const words = t("signs.words", { n: this.signs.length - letters });
    const count = letters ? t("signs.words_and_letters", { words, letters: t("signs.letters", { n: letters }) }) : words;
    label(byId("signs-lead"), this.measured ? "signs.measured" : "signs.not_measured", { count });
    this.#render();
  }

  /**
   * The method says that there is no list, and offers to try again.
   *
   * @param {() => void} retry
   * @param {Key} why
   */
  showFailure(retry, why = "signs.failed") {
    label(byId("signs-lead"), why);
    byId("signs-list").replaceChildren(label(h("button.button", { type: "button", onclick: retry }), "signs.retry"));
  }

  #render() {
    const wanted = byId("signs-search").value.trim().toLowerCase();
    const found = this.signs.filter(({ gloss }) => glossName(gloss).toLowerCase().includes(wanted));
    const apart = (/** @type {Sign} */ { gloss }) => this.lettersApart && isLetter(gloss);
    const words = found.filter((sign) => !apart(sign));
    const letters = found.filter(apart);
    for (const replay of this.replays.splice(0)) replay.end();
    label(byId("signs-count"), wanted ? "signs.found" : null, { n: found.length });
    byId("signs-list").replaceChildren(...present([
      found.length ? null : label(h("p.empty"), "signs.none"),
      words.length ? h("ul.cards", {}, ...words.map((sign) => this.#card(sign, "h2"))) : null,
      letters.length ? label(h("h2.group"), "signs.letters_title") : null,
      letters.length ? h("ul.cards.letters", {}, ...letters.map((sign) => this.#card(sign, "h3"))) : null,
    ]));
  }

  /**
   * @param {Sign} sign
   * @param {"h2"|"h3"} heading
   */
  #card(sign, heading) {
    return h("li.card", { "data-gloss": sign.gloss },
      this.#picture(sign.gloss),
      h(heading, {}, h("span.gloss", {}, glossName(sign.gloss))),
      this.measured ? accuracyLine(sign) : null,
      signersLine(sign.signers),
      sign.similar.length
        ? h("p.similar", {}, t("signs.mistaken"), " ", ...joined(sign.similar.slice(0, 3)))
        : null);
  }

  /**
   * The method shows how a sign looks. It moves while it is pointed at or focused, or once it is pressed: a page of signs
   * that all move by themselves could not be read.
   *
   * @param {string} gloss
   */
  #picture(gloss) {
    if (!examples.has(gloss)) return null;
    const replay = new Replay(named(gloss), () => examples.motion(gloss), { plays: "when met" });
    this.replays.push(replay);
    return replay.element;
  }
}

/** @param {Sign} sign */
function accuracyLine({ accuracy, clips: n }) {
  if (accuracy === null) return label(h("p.accuracy.none"), "signs.unmeasured");
  const share = number(accuracy, { style: "percent" });
  const text = h("span", {}, h("span.clips", { "data-part": "clips" }));
  return h("p.accuracy", {}, bar(accuracy), label(text, n ? "signs.right_of" : "signs.right", { share, n }));
}

/** @param {number} n */
function signersLine(n) {
  const few = n < FEW_SIGNERS;
  return h("p.signers", {}, label(h("span"), "signs.learned_from", { n }), few ? label(h("span.few"), "signs.few") : null);
}

/** @param {string[]} glosses */
const joined = (glosses) =>
  glosses.flatMap((gloss, index) => [index ? ", " : "", signName(gloss)]).filter(Boolean);
