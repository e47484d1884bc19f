/** The view of the signs that the bundle knows, with what is known of each. */

import { bar, byId, h, present } from "./dom.js";
import { glossName, isLetter } from "./glosses.js";

/** @import { BundleDescription } from "../types/messages.js" */

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
    this.lettersApart = false;
    this.measured = false;
    byId("signs-search").addEventListener("input", () => this.#render());
  }

  /** @param {BundleDescription} bundle */
  show(bundle) {
    this.signs = signsOf(bundle);
    const spelled = this.signs.filter(({ gloss }) => isLetter(gloss)).length;
    this.lettersApart = spelled >= LETTERS_APART_FROM;
    const letters = this.lettersApart ? spelled : 0;
    const words = this.signs.length - letters;
    this.measured = this.signs.some(({ accuracy }) => accuracy !== null);
    const figures = this.measured
      ? "The figures are from people the recogniser had never seen."
      : "How often it gets each of them right has not been measured yet.";
    byId("signs-lead").textContent = `${words} signs${letters ? ` and ${letters} letters` : ""}. ${figures}`;
    byId("signs-tools").hidden = false;
    this.#render();
  }

  /**
   * The method says that there is no list, and offers to try again.
   *
   * @param {() => void} retry
   * @param {string} why
   */
  showFailure(retry, why = "The list of signs could not be loaded. Check your network, or ask whoever runs this server.") {
    byId("signs-lead").textContent = why;
    byId("signs-list").replaceChildren(h("button.button", { type: "button", onclick: retry }, "Try again"));
  }

  #render() {
    const wanted = byId("signs-search").value.trim().toLowerCase();
    const found = this.signs.filter(({ gloss }) => glossName(gloss).toLowerCase().includes(wanted));
    const apart = (/** @type {Sign} */ { gloss }) => this.lettersApart && isLetter(gloss);
    const words = found.filter((sign) => !apart(sign));
    const letters = found.filter(apart);
    byId("signs-count").textContent = wanted ? `${found.length} found` : "";
    byId("signs-list").replaceChildren(...present([
      found.length ? null : h("p.empty", {}, "Not among the signs it knows."),
      words.length ? h("ul.cards", {}, ...words.map((sign) => card(sign, this.measured, "h2"))) : null,
      letters.length ? h("h2.group", {}, "Letters") : null,
      letters.length ? h("ul.cards.letters", {}, ...letters.map((sign) => card(sign, this.measured, "h3"))) : null,
    ]));
  }
}

/**
 * @param {Sign} sign
 * @param {boolean} measured whether the accuracy of any sign is known
 * @param {"h2"|"h3"} heading
 */
function card(sign, measured, heading) {
  return h("li.card", { "data-gloss": sign.gloss },
    h(heading, {}, h("span.gloss", {}, glossName(sign.gloss))),
    measured ? accuracyLine(sign) : null,
    signersLine(sign.signers),
    sign.similar.length
      ? h("p.similar", {}, "Can be mistaken for ", ...joined(sign.similar.slice(0, 3)))
      : null);
}

/** @param {Sign} sign */
function accuracyLine({ accuracy, clips }) {
  if (accuracy === null) return h("p.accuracy.none", {}, "Not measured yet");
  const share = Math.round(accuracy * 100);
  return h("p.accuracy", {}, bar(accuracy),
    h("span", {}, h("strong", {}, `${share}%`), " right", clips ? h("span.clips", {}, ` of ${clips} clips`) : null));
}

/** @param {number} signers */
function signersLine(signers) {
  const few = signers < FEW_SIGNERS;
  const people = signers === 1 ? "one person" : `${signers} people`;
  return h("p.signers", {}, `Learned from ${people}`, few ? h("span.few", {}, "expect mistakes") : null);
}

/** @param {string[]} glosses */
const joined = (glosses) =>
  glosses.flatMap((gloss, index) => [index ? ", " : "", h("span.gloss", {}, glossName(gloss))]).filter(Boolean);
