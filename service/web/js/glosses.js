/** How glosses and confidences read to people. */

// Written as one word in the data, but several words to a reader.
const PHRASES = { iloveyou: "I love you", ily: "I love you", i: "I" };

export const COULD_BE_FROM = 0.1; // an alternative less probable than this is not worth a reader's time

/**
 * "thank-you" -> "thank you". The style sheet sets glosses in capitals, as is the convention; the text itself stays in
 * ordinary case so that screen readers say words instead of spelling letters.
 */
export function glossName(gloss) {
  return PHRASES[gloss.toLowerCase()] ?? gloss.replace(/[-_]+/g, " ").trim().toLowerCase();
}

/** A single letter: a sign of the finger alphabet. */
export const isLetter = (gloss) => /^[a-z]$/i.test(gloss);

/** Never "100 %": no model is that sure. */
export function percent(share) {
  const rounded = Math.round(share * 100);
  return `${Math.min(99, Math.max(share > 0 ? 1 : 0, rounded))}%`;
}

/** Confidence in words, and how strongly to show it. */
export function sureness(confidence) {
  const shown = Math.round(confidence * 100); // by what is read beside it
  if (shown >= 85) return { level: "high", text: "Very sure" };
  if (shown >= 60) return { level: "fair", text: "Fairly sure" };
  if (shown >= 40) return { level: "low", text: "Not so sure" };
  return { level: "low", text: "Only a guess" };
}

/**
 * What a sign could have been instead: alternatives with real probability, and signs known to be taken for it.
 *
 * @param {{gloss: string, alternatives?: {gloss: string, confidence: number}[], confusable_with?: string[]}} sign
 * @param {string|null} noSign the gloss that stands for "no sign"
 * @returns {{likely: {gloss: string, confidence: number}[], similar: string[]}} at most three together
 */
export function couldAlsoBe(sign, noSign) {
  const skip = new Set([sign.gloss, noSign]);
  const likely = (sign.alternatives ?? []).filter((other) => other.confidence >= COULD_BE_FROM && !skip.has(other.gloss));
  for (const other of likely) skip.add(other.gloss);
  const similar = (sign.confusable_with ?? []).filter((gloss) => !skip.has(gloss));
  return { likely: likely.slice(0, 3), similar: similar.slice(0, Math.max(0, 3 - likely.length)) };
}
