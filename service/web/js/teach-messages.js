/** What the view "Teach a sign" says of taught signs and of what went wrong; the words are in `locales`. */

import { glossName } from "./glosses.js";
import { t } from "./i18n.js";

/** @import { LookAlike, Problem, TaughtMessage, TaughtSign } from "../types/messages.js" */
/** @import { Key, Message } from "./i18n.js" */

/**
 * The function says why a sign became no example.
 *
 * @param {TaughtMessage|null} taught null: no sign was seen
 */
export const refusal = (taught) => t(`refusal.${taught?.reason ?? "nothing"}`);

/**
 * Why the server did not do what was asked, by the `code` of its answer.
 *
 * @type {Record<string, Key|undefined>}
 */
const PROBLEMS = {
  bad_gloss: "taught_problem.bad_gloss",
  gloss_taken: "taught_problem.gloss_taken",
  unknown_gloss: "taught_problem.gone",
  unknown_example: "taught_problem.gone",
  unknown_lexicon: "taught_problem.gone",
  too_many: "taught_problem.too_many",
  too_large: "taught_problem.too_large",
  bad_file: "taught_problem.bad_file",
  other_bundle: "teach.other_bundle_body",
  lexicons_off: "teach.off_body",
  lexicons_busy: "taught_problem.busy",
  lexicons_damaged: "taught_problem.damaged",
  lexicons_failed: "taught_problem.failed",
  lexicon_unreadable: "taught_problem.damaged",
  disk_full: "taught_problem.disk_full",
  not_allowed: "taught_problem.not_allowed",
  not_authenticated: "taught_problem.not_authenticated",
};

/**
 * The function returns the message of a code, if it has one.
 *
 * @param {string} code
 * @returns {Key|null}
 */
export const problemOf = (code) => (Object.hasOwn(PROBLEMS, code) ? (PROBLEMS[code] ?? null) : null);

/**
 * The function says why the server did not do what was asked. Its own words, which are English, are the last resort.
 *
 * @param {Partial<Problem>|null} problem
 * @param {number|undefined} status of HTTP; 0 where no answer came
 * @returns {Message}
 */
export function lexiconProblem(problem, status = problem?.status) {
  const known = problemOf(problem?.code ?? "");
  if (known) return [known];
  if (status === 0) return ["taught_problem.network"];
  if (status === 429 || status === 503) return ["taught_problem.busy"];
  return problem?.detail ? ["taught_problem.other", { detail: problem.detail }] : ["taught_problem.unknown"];
}

/**
 * The function says how alike the examples of a sign are; null where there is but one.
 *
 * @param {Pick<TaughtSign, "consistency"|"outliers">} sign
 * @returns {Key|null}
 */
export function alike({ consistency, outliers }) {
  if (consistency === null) return null;
  if (outliers.length === 1) return "taught.outlier";
  if (consistency >= 0.8) return "taught.very_alike";
  if (consistency >= 0.6) return "taught.alike";
  return "taught.differ";
}

/**
 * The function says how often one sign is taken for another.
 *
 * @param {number} risk 0..1
 */
export function often(risk) {
  if (risk >= 0.85) return t("taught.always");
  if (risk >= 0.6) return t("taught.mostly");
  if (risk >= 0.4) return t("taught.half");
  return t("taught.one_in", { k: Math.min(10, Math.round(1 / risk)) });
}

/**
 * The function says what the likeness of two signs comes to.
 *
 * @param {string} gloss
 * @param {LookAlike} other
 */
export const risk = (gloss, other) =>
  t("taught.risk", { name: named(gloss), other: named(other.gloss), often: often(other.risk) });

/** @param {string} gloss */
export const named = (gloss) => glossName(gloss).toUpperCase();
