/** The clip view: choose or drop a file, watch it go, read the result. */

import { askForKey, credentials } from "./access.js";
import { couldAlsoBeLine, surenessLine } from "./captions.js";
import { bar, byId, h, present } from "./dom.js";
import { glossName, percent, sureness } from "./glosses.js";
import { label, number, onLanguage, seconds, t } from "./i18n.js";
import { clipProblem } from "./messages.js";
import { Recorder } from "./recorder.js";

/** @import { Classification, ClipSign, Prediction, Problem } from "../types/messages.js" */
/** @import { Key, Params } from "./i18n.js" */
/** @import { Lexicon } from "./lexicon.js" */

const TOP_K = 5;
/** @type {Part[]} */
const PARTS = ["empty", "progress", "result", "error"];

/** @typedef {"empty"|"progress"|"result"|"error"} Part of the view, besides the clip itself */

/** The class is the clip view: it sends one clip at a time and shows the answer. */
export class Upload {
  /** @param {Lexicon} lexicon */
  constructor(lexicon) {
    this.lexicon = lexicon;
    /** @type {string|null} */
    this.noSign = null;
    /** @type {File|null} */
    this.file = null;
    /** @type {File|null} */
    this.previewed = null;
    /** @type {XMLHttpRequest|null} */
    this.request = null;
    /** @type {Classification|null} */
    this.answer = null; // the result on show
    this.recorder = new Recorder((file) => this.send(file));
    byId("file").addEventListener("change", () => this.#chosen(byId("file").files));
    byId("another").addEventListener("click", () => byId("file").click());
    byId("clip-cancel").addEventListener("click", () => this.cancel());
    byId("clip-retry").addEventListener("click", () => this.#sendAgain());
    byId("preview-video").addEventListener("error", () => this.#showUnplayable(true));
    onLanguage(() => this.answer && this.#renderResult(this.answer));
    this.#listenForDrops();
    this.#show("empty");
  }

  /**
   * The method says how long a clip may be.
   *
   * @param {number} limitS
   */
  showLimit(limitS) {
    this.recorder.longestS = Math.min(this.recorder.longestS, limitS);
    if (limitS < 120) label(byId("clip-limit"), "clip.limit_seconds", { n: limitS });
    else label(byId("clip-limit"), "clip.limit_minutes", { n: Math.floor(limitS / 60) });
  }

  /**
   * The method sends a clip in place of the one before, and shows what comes back.
   *
   * @param {File} file
   */
  send(file) {
    this.request?.abort();
    this.file = file;
    this.#preview(file);
    this.#show("progress");
    this.#progress("clip.sending", 0, null);
    const request = new XMLHttpRequest(); // fetch tells nothing about the progress of an upload
    this.request = request;
    request.upload.onprogress = ({ loaded, total }) => this.#progress("clip.sending", loaded / total, "clip.sent_of", sizes(loaded, total));
    request.upload.onload = () => this.#progress("clip.reading", null, "clip.reading_note");
    request.onload = () => this.#answered(request);
    request.onerror = () => this.#failed(0, null, null);
    const taught = this.lexicon.inUse === null ? "" : `&lexicon=${this.lexicon.inUse}`;
    request.open("POST", new URL(`v1/classify?top_k=${TOP_K}${taught}`, document.baseURI));
    for (const [name, value] of Object.entries(credentials())) request.setRequestHeader(name, value);
    const form = new FormData();
    form.append("file", file, file.name);
    request.send(form);
  }

  cancel() {
    this.request?.abort();
    this.request = null;
    this.#preview(null);
    this.#show("empty");
    byId("file").focus();
  }

  #sendAgain() {
    if (this.file) this.send(this.file);
  }

  /** @param {FileList|null|undefined} files */
  #chosen(files) {
    const [file] = files ?? [];
    byId("file").value = ""; // so that choosing the same file again is a change, too
    if (file) this.send(file);
  }

  /** A file may be dropped anywhere: one dropped beside the box must not make the browser leave the page. */
  #listenForDrops() {
    const hasFile = (/** @type {DragEvent} */ event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
    window.addEventListener("dragover", (event) => {
      if (!hasFile(event)) return;
      event.preventDefault();
      byId("clip").classList.add("dragging");
    });
    window.addEventListener("dragleave", (event) => !event.relatedTarget && byId("clip").classList.remove("dragging"));
    window.addEventListener("drop", (event) => {
      if (!hasFile(event)) return;
      event.preventDefault();
      byId("clip").classList.remove("dragging");
      location.hash = "#clip";
      this.#chosen(event.dataTransfer?.files);
    });
  }

  /** @param {XMLHttpRequest} request */
  async #answered(request) {
    const body = parse(request.responseText);
    if (request.status === 401 && (await askForKey()) && request === this.request) return this.#sendAgain();
    if (request !== this.request) return undefined; // cancelled meanwhile
    if (request.status === 200 && body?.predictions) return this.#result(/** @type {Classification} */ (body));
    const wait = Number.parseInt(request.getResponseHeader("Retry-After") ?? "", 10);
    return this.#failed(request.status, body, Number.isNaN(wait) ? null : wait);
  }

  /**
   * @param {number} status
   * @param {Partial<Problem>|null} problem
   * @param {number|null} retryAfterS
   */
  #failed(status, problem, retryAfterS) {
    const { code, retry } = clipProblem(status, problem);
    const wait = retry && retryAfterS ? label(h("span"), "clip_problem.wait", { n: retryAfterS }) : "";
    byId("clip-error").dataset.code = code;
    label(byId("clip-error-title"), `clip_problem.${code}_title`);
    byId("clip-error-body").replaceChildren(label(h("span"), `clip_problem.${code}_body`), " ", wait);
    byId("clip-retry").hidden = !retry;
    this.#show("error");
  }

  /** @param {Classification} answer */
  #result(answer) {
    this.answer = answer;
    this.#renderResult(answer);
    this.#show("result");
  }

  /** @param {Classification} answer */
  #renderResult(answer) {
    const signs = answer.predictions.filter(({ gloss }) => gloss !== this.noSign);
    const [top] = answer.predictions;
    const none = !top || top.gloss === this.noSign;
    byId("clip-result").replaceChildren(...present([
      label(h("h2.sr-only"), "clip.result"),
      answer.warnings?.includes("several_people") ? label(h("p.clip-warning"), "framing.clip") : null,
      ...(none ? noSignFound() : this.#sign(top, signs)),
      timeline(answer, this.noSign),
      this.#ranking(none ? "clip.ranking_none" : "clip.ranking", signs),
      facts(answer)]));
  }

  /**
   * @param {Prediction} top
   * @param {Prediction[]} signs
   */
  #sign(top, signs) {
    const sign = { ...top, alternatives: signs };
    return present([
      h("p.result-gloss", { "data-gloss": top.gloss }, h("span.gloss", {}, glossName(top.gloss))),
      surenessLine(top.confidence),
      couldAlsoBeLine(sign, this.noSign),
    ]);
  }

  /**
   * @param {Key} title
   * @param {Prediction[]} signs
   */
  #ranking(title, signs) {
    return h("div.ranking", {}, label(h("h3"), title), h("ol", {},
      ...signs.map(({ gloss, confidence }) => h("li", { "data-gloss": gloss, "data-level": sureness(confidence).level },
        h("span.gloss", {}, glossName(gloss)), bar(confidence), h("span.number", {}, percent(confidence))))));
  }

  /** @param {File|null} file */
  #preview(file) {
    const video = byId("preview-video");
    if (this.previewed === file) return undefined;
    this.previewed = file;
    if (video.src) URL.revokeObjectURL(video.src);
    byId("preview").hidden = !file;
    byId("drop").hidden = Boolean(file);
    this.#showUnplayable(false);
    video.removeAttribute("src");
    if (!file) return video.load();
    byId("preview-name").textContent = file.name;
    video.src = URL.createObjectURL(file);
    if (!window.matchMedia("(prefers-reduced-motion: reduce)").matches) video.play().catch(() => {});
    return undefined;
  }

  /** @param {boolean} unplayable */
  #showUnplayable(unplayable) {
    const failed = unplayable && byId("preview-video").hasAttribute("src");
    byId("preview-video").hidden = failed;
    byId("preview-none").hidden = !failed;
  }

  /**
   * @param {Key} title
   * @param {number|null} share null: it is not known
   * @param {Key|null} note
   * @param {Params} params of the note
   */
  #progress(title, share, note, params = {}) {
    label(byId("clip-progress-title"), title);
    label(byId("clip-progress-note"), note, params);
    if (share === null) byId("clip-bar").removeAttribute("value");
    else byId("clip-bar").value = share * 100;
  }

  /** @param {Part} part */
  #show(part) {
    byId("clip").dataset.state = part;
    for (const name of PARTS) byId(`clip-${name}`).hidden = name !== part;
  }
}

/**
 * The function shows where the signs are in the clip, each as a button that plays it; null where none was found apart.
 *
 * @param {{signs?: ClipSign[], duration_ms: number}} answer
 * @param {string|null} noSign the gloss that stands for "no sign"
 */
function timeline({ signs = [], duration_ms: duration }, noSign) {
  const shown = signs.filter(({ gloss }) => gloss !== noSign);
  if (!shown.length) return null;
  const share = (/** @type {number} */ ms) => `${((100 * ms) / duration).toFixed(2)}%`;
  const items = shown.map(({ gloss, confidence, start_ms: start, end_ms: end }) => {
    const time = t("clip.from_to", { start: seconds(start), end: seconds(end) });
    const item = h("li", { "data-gloss": gloss, "data-level": sureness(confidence).level },
      h("button", { type: "button", title: `${glossName(gloss)}, ${percent(confidence)}, ${time}`, onclick: () => showFrom(start) },
        h("span.gloss", {}, glossName(gloss)), h("span.sr-only", {}, `, ${percent(confidence)}, ${time}`)));
    item.style.left = share(start);
    item.style.width = share(end - start);
    return item;
  });
  return h("div.timeline", {}, label(h("h3"), "clip.where"), h("ol", {}, ...items),
    h("p.ends", { "aria-hidden": "true" }, h("span", {}, "0 s"), h("span", {}, `${seconds(duration)} s`)));
}

/** @param {number} ms */
function showFrom(ms) {
  const video = byId("preview-video");
  video.currentTime = ms / 1000;
  video.play().catch(() => {});
}

const noSignFound = () => [
  label(h("p.result-gloss.none", { "data-gloss": "" }), "clip.none"),
  label(h("p"), "clip.none_body"),
];

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

/**
 * @param {string} text
 * @returns {(Partial<Classification> & Partial<Problem>)|null} null where it is no JSON
 */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/**
 * @param {number} loaded bytes
 * @param {number} total bytes
 */
const sizes = (loaded, total) => ({ sent: megabytes(loaded), total: megabytes(total) });

/** @param {number} bytes */
const megabytes = (bytes) => number(bytes / 1e6, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
