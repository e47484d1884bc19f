/** What the view "Teach a sign" says, in plain words. One place, so that it can be translated. */

import { glossName } from "./glosses.js";

/** @import { LookAlike, Problem, TaughtMessage, TaughtSign } from "../types/messages.js" */

/** Why nothing can be taught here. */
export const OFF = {
  off: {
    title: "No signs can be taught here",
    body: "This server keeps no signs of its users. Whoever runs it can turn that on with the setting GLOSSCAST_LEXICONS. Captions and clips work all the same.",
  },
  other_bundle: {
    title: "No signs can be added to these",
    body: "What this server reads with knows its own signs only. Captions and clips work all the same.",
  },
};

/** Why a sign became no example, by the reason of `taught`. */
const REFUSALS = {
  nothing: "No sign was seen. Sit so that your head, shoulders and hands are in the picture, and raise your hands to sign.",
  no_signer: "You were not in the picture. Sit so that it shows you from head to waist.",
  no_shoulders: "Your shoulders were not in the picture. Sit further back, so that both are.",
  no_hands: "Your hands were not seen. Keep them in the picture, with light on them.",
  too_long: "That took too long for one sign. Show it alone, and lower your hands after it.",
  too_many: "There is no room for another example: a sign has 20 at most. Delete one first.",
  unknown_lexicon: "Your signs were deleted meanwhile, somewhere else. Begin again.",
  disk_full: "The server has no room left to store it. Tell whoever runs it.",
  not_stored: "The server could not store it. Try again, or tell whoever runs it.",
};

/**
 * The function says why a sign became no example.
 *
 * @param {TaughtMessage|null} taught null: no sign was seen
 */
export const refusal = (taught) => REFUSALS[taught?.reason ?? "nothing"];

/**
 * Why the server did not do what was asked, by the `code` of its answer.
 *
 * @type {Record<string, string|undefined>}
 */
const PROBLEMS = {
  bad_gloss: "A sign cannot have this name: it needs 1 to 64 visible characters.",
  gloss_taken: "Another sign has this name.",
  unknown_gloss: "It is no longer there. It may have been deleted somewhere else.",
  unknown_example: "It is no longer there. It may have been deleted somewhere else.",
  unknown_lexicon: "It is no longer there. It may have been deleted somewhere else.",
  too_many: "There is no room for so many signs or examples.",
  too_large: "This file is too large.",
  bad_file: "This is no file of taught signs, or it is damaged. Nothing was imported.",
  other_bundle: OFF.other_bundle.body,
  lexicons_off: OFF.off.body,
  lexicons_busy: "The server is busy. Try again in a moment.",
  lexicons_damaged: "The server cannot read what was taught. Tell whoever runs it.",
  lexicons_failed: "The server cannot read or store what is taught. Tell whoever runs it.",
  lexicon_unreadable: "The server cannot read what was taught. Tell whoever runs it.",
  disk_full: "The server has no room left. Nothing was changed. Tell whoever runs it.",
  not_allowed: "This key may read signs, but not teach any. Ask whoever runs this server.",
  not_authenticated: "This server wants a key.",
};

/**
 * The function says why the server did not do what was asked.
 *
 * @param {Partial<Problem>|null} problem
 * @param {number|undefined} status of HTTP; 0 where no answer came
 */
export function lexiconProblem(problem, status = problem?.status) {
  const code = problem?.code ?? "";
  if (Object.hasOwn(PROBLEMS, code)) return String(PROBLEMS[code]);
  if (status === 0) return "The server does not answer. Check your network, or ask whoever runs it, then try again.";
  if (status === 429 || status === 503) return "The server is busy. Try again in a moment.";
  return problem?.detail ?? "Something went wrong on the server. Nothing was changed. Try again.";
}

/**
 * The function says how alike the examples of a sign are; "" where there is but one.
 *
 * @param {Pick<TaughtSign, "consistency"|"outliers">} sign
 */
export function alike({ consistency, outliers }) {
  if (consistency === null) return "";
  if (outliers.length === 1) return "One example is unlike the others. If it went wrong, delete it and sign another.";
  if (consistency >= 0.8) return "The examples are very alike.";
  if (consistency >= 0.6) return "The examples are alike.";
  return "The examples differ a lot from each other. Was it the same sign each time?";
}

/**
 * The function says how often one sign is taken for another.
 *
 * @param {number} risk 0..1
 */
export function often(risk) {
  if (risk >= 0.85) return "almost every time";
  if (risk >= 0.6) return "most of the time";
  if (risk >= 0.4) return "about every second time";
  return `about one time in ${["three", "four", "five", "six", "seven", "eight", "nine", "ten"][Math.min(10, Math.round(1 / risk)) - 3]}`;
}

/**
 * The function says what the likeness of two signs comes to.
 *
 * @param {string} gloss
 * @param {LookAlike} other
 */
export const risk = (gloss, other) =>
  `When you sign ${named(gloss)}, Glosscast would read ${named(other.gloss)} ${often(other.risk)}.`;

/** @param {string} gloss */
export const named = (gloss) => glossName(gloss).toUpperCase();
