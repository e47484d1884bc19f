/** The lines below a sign that was read: how sure the reading is, and what else it could be. */

import { bar, h } from "./dom.js";
import { couldAlsoBe, percent, sureness } from "./glosses.js";
import { t } from "./i18n.js";
import { signName } from "./look.js";

/** @import { Guess } from "./glosses.js" */

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
