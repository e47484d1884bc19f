/** How glosses and confidences read to people. */

import { number, t } from "./i18n.js";

// Written as one word in the data, but several words to a reader.
const PHRASES = new Map([["iloveyou", "I love you"], ["ily", "I love you"], ["i", "I"]]);

export const COULD_BE_FROM = 0.1; // an alternative less probable than this is not worth a reader's time

/**
 * @typedef {object} Guess
 * @property {string} gloss
 * @property {number} confidence 0..1
 */

/**
 * The function returns a gloss as people read it: "thank-you" -> "thank you". The style sheet sets glosses in
 * capitals, as is the convention; the text itself stays in ordinary case so that screen readers say words instead of
 * spelling letters.
 *
 * @param {string} gloss
 * @returns {string}
 */
export function glossName(gloss) {
  return PHRASES.get(gloss.toLowerCase()) ?? gloss.replace(/[-_]+/g, " ").trim().toLowerCase();
}

/**
 * The function tells whether a gloss is a single letter: a sign of the finger alphabet.
 *
 * @param {string} gloss
 */
export const isLetter = (gloss) => /^[a-z]$/i.test(gloss);

/**
 * The function returns a share 0..1 in per cent. It never returns "100 %", since no model is that sure.
 *
 * @param {number} share
 */
export function percent(share) {
  const rounded = Math.round(share * 100);
  return number(Math.min(99, Math.max(share > 0 ? 1 : 0, rounded)) / 100, { style: "percent" });
}

/**
 * The function returns a confidence in words, and how strongly to show it.
 *
 * @param {number} confidence 0..1
 * @returns {{level: "high"|"fair"|"low", text: string}}
 */
export function sureness(confidence) {
  const shown = Math.round(confidence * 100); // by what is read beside it
  if (shown >= 85) return { level: "high", text: t("sure.very") };
  if (shown >= 60) return { level: "fair", text: t("sure.fairly") };
  if (shown >= 40) return { level: "low", text: t("sure.little") };
  return { level: "low", text: t("sure.guess") };
}

/**
 * The function returns what a sign could have been instead: alternatives with real probability, and signs that
 * are known to be taken for it.
 *
 * @param {{gloss: string, alternatives?: Guess[], confusable_with?: string[]}} sign
 * @param {string|null} noSign the gloss that stands for "no sign"
 * @returns {{likely: Guess[], similar: string[]}} at most three together
 */
export function couldAlsoBe(sign, noSign) {
  const skip = new Set([sign.gloss, noSign]);
  const likely = (sign.alternatives ?? []).filter((other) => other.confidence >= COULD_BE_FROM && !skip.has(other.gloss));
  for (const other of likely) skip.add(other.gloss);
  const similar = (sign.confusable_with ?? []).filter((gloss) => !skip.has(gloss));
  return { likely: likely.slice(0, 3), similar: similar.slice(0, Math.max(0, 3 - likely.length)) };
}
