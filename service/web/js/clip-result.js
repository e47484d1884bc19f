/** The result of a clip: its signs with their times, or the closest guesses where there is no known sign. */

import { couldAlsoBeLine, surenessLine } from "./sign-lines.js";
import { bar, byId, h, present } from "./dom.js";
import { glossName, percent, sureness } from "./glosses.js";
import { label, number, seconds, t } from "./i18n.js";

/** @import { Classification, ClipSign, Prediction } from "../types/messages.js" */
/** @import { Key } from "./i18n.js" */

const WORTH_SAYING = 0.01; // a guess less likely than this says nothing

/**
 * The function makes what is shown of an answer.
 *
 * @param {Classification} answer
 * @param {string|null} noSign the gloss that stands for "no sign"
 * @returns {HTMLElement[]}
 */
export function resultOf(answer, noSign) {
  const guesses = answer.predictions.filter(({ gloss, confidence }) => gloss !== noSign && confidence >= WORTH_SAYING);
  const signs = answer.signs.filter(({ gloss }) => gloss !== noSign);
  return present([
    answer.warnings.includes("several_people") ? label(h("p.clip-warning"), "framing.clip") : null,
    ...(answer.known ? known(signs, guesses, noSign) : unknown(answer, guesses, noSign)),
    timeline(signs, answer.duration_ms),
    signs.length > 1 ? null : ranking(answer.known ? "clip.ranking" : "clip.ranking_none", guesses),
    facts(answer)]);
}

/**
 * @param {ClipSign[]} signs that were found apart; none where the whole clip is one sign
 * @param {Prediction[]} guesses for the clip taken as one sign, best first
 * @param {string|null} noSign
 */
function known(signs, guesses, noSign) {
  if (signs.length > 1 && signs[0].utterance !== null) {
    return [label(h("h2.sr-only"), "clip.result"), sentence(signs), foundList(signs)];
  }
  if (signs.length > 1) return [label(h("h2.result-gloss.none"), "clip.found", { n: signs.length }), foundList(signs)];
  const [found] = signs;
  const same = guesses.find(({ gloss }) => gloss === found?.gloss);
  const sign = found ? { ...found, confusable_with: same?.confusable_with ?? [] } : guesses[0];
  return present([
    label(h("h2.sr-only"), "clip.result"),
    h("p.result-gloss", { "data-gloss": sign.gloss }, h("span.gloss", {}, glossName(sign.gloss))),
    surenessLine(sign.confidence),
    couldAlsoBeLine({ ...sign, alternatives: guesses }, noSign),
    found ? jump(found, range(found)) : null,
  ]);
}

/**
 * The function shows the glosses of sentences in a row.
 *
 * @param {ClipSign[]} signs
 */
const sentence = (signs) => h("p.result-gloss.sentence", {},
  ...signs.flatMap(({ gloss }) => [h("span.gloss", {}, glossName(gloss)), " "]));

/**
 * @param {Classification} answer
 * @param {Prediction[]} guesses
 * @param {string|null} noSign
 */
function unknown({ predictions: [top], threshold }, guesses, noSign) {
  const still = !guesses.length || top.gloss === noSign;
  return [
    label(h("h2.result-gloss.none", { "data-gloss": "" }), "clip.none"),
    label(h("p"), still ? "clip.none_body" : "clip.none_below", { threshold: percent(threshold) }),
  ];
}

/**
 * The function makes a list of glosses with bars; null where there are none.
 *
 * @param {Key} title
 * @param {Prediction[]} guesses
 */
function ranking(title, guesses) {
  if (!guesses.length) return null;
  return h("div.ranking", {}, label(h("h3"), title), h("ol", {},
    ...guesses.map(({ gloss, confidence }) => h("li", { "data-gloss": gloss, "data-level": sureness(confidence).level },
      h("span.gloss", {}, glossName(gloss)), bar(confidence), h("span.number", {}, percent(confidence))))));
}

/**
 * The function makes the list of several signs, each with its time.
 *
 * @param {ClipSign[]} signs
 */
const foundList = (signs) => h("ol.found", {}, ...signs.map((sign) => h("li", {
  "data-gloss": sign.gloss, "data-level": sureness(sign.confidence).level },
h("span.gloss", {}, glossName(sign.gloss)), h("span.number", {}, percent(sign.confidence)), jump(sign, clock(sign.start_ms)))));

/**
 * The function makes the button with a sign's time, which plays the clip from there.
 *
 * @param {ClipSign} sign
 * @param {string} text
 */
const jump = (sign, text) => h("button.button.jump", {
  type: "button", title: range(sign), disabled: byId("preview-video").hidden, onclick: () => showFrom(sign.start_ms),
}, text);

/** @param {ClipSign} sign */
const range = ({ start_ms: start, end_ms: end }) => t("clip.from_to", { start: clock(start), end: clock(end) });

/**
 * The function shows where the signs are in the clip, each as a button that plays it; null where none was found apart.
 *
 * @param {ClipSign[]} signs
 * @param {number} duration ms
 */
function timeline(signs, duration) {
  if (!signs.length) return null;
  const share = (/** @type {number} */ ms) => `${((100 * ms) / duration).toFixed(2)}%`;
  const unplayable = byId("preview-video").hidden;
  const items = signs.map((sign) => {
    const { gloss, confidence, start_ms: start, end_ms: end } = sign;
    const time = range(sign);
    const title = `${glossName(gloss)}, ${percent(confidence)}, ${time}`;
    const item = h("li", { "data-gloss": gloss, "data-level": sureness(confidence).level },
      h("button", { type: "button", title, disabled: unplayable, onclick: () => showFrom(start) },
        h("span.gloss", {}, glossName(gloss)), h("span.sr-only", {}, `, ${percent(confidence)}, ${time}`)));
    item.style.left = share(start);
    item.style.width = share(end - start);
    return item;
  });
  return h("div.timeline", {}, label(h("h3"), "clip.where"), h("ol", {}, ...items),
    h("p.ends", { "aria-hidden": "true" }, h("span", {}, clock(0)), h("span", {}, clock(duration))));
}

/**
 * The function writes a time within a clip: "0:01.8".
 *
 * @param {number} ms
 */
function clock(ms) {
  const tenths = Math.round(ms / 100);
  const rest = number((tenths % 600) / 10, { minimumIntegerDigits: 2, minimumFractionDigits: 1, maximumFractionDigits: 1 });
  return `${Math.floor(tenths / 600)}:${rest}`;
}

/** @param {number} ms */
function showFrom(ms) {
  const video = byId("preview-video");
  video.scrollIntoView({ block: "nearest" });
  video.currentTime = ms / 1000;
  video.play().catch(() => {});
}

/**
 * The function makes the small print: what was read, by which bundle, in what time.
 *
 * @param {Classification} answer
 */
function facts({ bundle, duration_ms: duration, frames, timings_ms: timings }) {
  const parts = [
    t("clip.fact_length", { s: seconds(duration) }),
    t("clip.fact_frames", { n: frames }),
    t("clip.fact_decode", { ms: Math.round(timings.decode) }),
    t("clip.fact_keypoints", { ms: Math.round(timings.keypoints) }),
    t("clip.fact_inference", { ms: Math.round(timings.inference) }),
    bundle,
  ];
  return h("p.facts", {}, parts.join(" · "));
}
