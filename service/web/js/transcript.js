/** The signs of this page as a file: plain text, WebVTT, SRT or JSON. Made here, so that it holds pauses and reconnects too. */

import { download } from "./dom.js";
import { glossName } from "./glosses.js";
import { current } from "./i18n.js";

/** @import { ShownSign } from "./history.js" */

/** @typedef {"txt"|"vtt"|"srt"|"json"} Kind */
/** @typedef {Pick<ShownSign, "gloss"|"read_as"|"corrected"|"at"|"start_ms"|"end_ms"|"confidence"|"segment"|"utterance">} TimedSign */

/** @type {Record<Kind, string>} */
const TYPES = { txt: "text/plain", vtt: "text/vtt", srt: "application/x-subrip", json: "application/json" };
const SHORTEST_MS = 700; // a caption must be readable
const LONGEST = 80; // characters of a line; an utterance may go on for minutes

/**
 * The function puts signs into lines: a sign alone, or those of one utterance where the bundle reads sentences.
 *
 * @template {TimedSign} T
 * @param {T[]} signs in order
 * @returns {T[][]}
 */
export function lines(signs) {
  /** @type {T[][]} */
  const found = [];
  for (const sign of signs) {
    const line = found.at(-1);
    const before = line?.at(-1);
    // Another stream counts segments and utterances from 0 again.
    const goesOn = before && sign.utterance !== null && sign.utterance === before.utterance && sign.segment > before.segment;
    if (line && goesOn && names([...line, sign]).length <= LONGEST) line.push(sign);
    else found.push([sign]);
  }
  return found;
}

/**
 * The function returns signs as the text of a file.
 *
 * @param {Kind} kind
 * @param {TimedSign[]} signs in order
 * @param {number} originMs the page's clock at the start of the transcript
 * @returns {string}
 */
export function transcript(kind, signs, originMs) {
  const all = lines(signs);
  if (kind === "txt") return all.map((line) => `${clock(line[0].at)}\t${names(line)}\n`).join("");
  if (kind === "json") return `${JSON.stringify(signs.map((sign) => plain(sign, originMs)), null, 2)}\n`;
  const point = kind === "vtt" ? "." : ",";
  const text = kind === "vtt" ? escaped : withoutTags;
  const cues = all.map((line, index) => {
    const start = Math.max(0, line[0].start_ms - originMs);
    const next = index + 1 < all.length ? all[index + 1][0].start_ms - originMs : Infinity;
    const end = Math.max(line[line.length - 1].end_ms - originMs, Math.min(start + SHORTEST_MS, next), start + 1);
    return `${index + 1}\n${stamp(start, point)} --> ${stamp(end, point)}\n${text(names(line))}\n`;
  });
  return (kind === "vtt" ? ["WEBVTT\n", ...cues] : cues).join("\n");
}

/**
 * The function hands a file to the browser's downloads.
 *
 * @param {Kind} kind
 * @param {string} text
 */
export function save(kind, text) {
  download(new File([text], `signs-${new Date().toISOString().slice(0, 16).replace(/[:T]/g, "-")}.${kind}`, { type: TYPES[kind] }));
}

/**
 * The function returns the time of day, as the language of the page writes it.
 *
 * @param {Date} date
 */
export const clock = (date) => date.toLocaleTimeString(current(), { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/**
 * The function returns a sign as it is in JSON, with times in ms since the start of the transcript.
 *
 * @param {TimedSign} sign
 * @param {number} originMs
 */
function plain({ gloss, read_as, corrected, start_ms, end_ms, confidence, at }, originMs) {
  const since = (/** @type {number} */ ms) => Math.max(0, Math.round(ms - originMs));
  return { gloss, read_as, corrected, start_ms: since(start_ms), end_ms: since(end_ms), confidence, time: at.toISOString() };
}

// A gloss is free text, and must not be taken for markup or for another cue.
const escaped = (/** @type {string} */ text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
const withoutTags = (/** @type {string} */ text) => text.replace(/</g, "(").replace(/>/g, ")"); // SubRip has no escapes

/** @param {TimedSign[]} line */
const names = (line) => line.map(({ gloss }) => glossName(gloss).toUpperCase()).join(" ");

/**
 * @param {number} ms
 * @param {string} point what separates seconds from milliseconds
 */
function stamp(ms, point) {
  const whole = Math.round(ms);
  const part = (/** @type {number} */ value, digits = 2) => String(Math.floor(value)).padStart(digits, "0");
  return `${part(whole / 3_600_000)}:${part((whole / 60_000) % 60)}:${part((whole / 1000) % 60)}${point}${part(whole % 1000, 3)}`;
}
