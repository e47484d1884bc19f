/** The clip view: choose or drop a file, watch it go, read the result. */

import { askForKey, credentials } from "./access.js";
import { couldAlsoBeLine, surenessLine } from "./captions.js";
import { bar, byId, h, present } from "./dom.js";
import { glossName, percent, sureness } from "./glosses.js";
import { clipProblem } from "./messages.js";
import { Recorder } from "./recorder.js";

/** @import { Classification, ClipSign, Prediction, Problem } from "../types/messages.js" */
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
    this.recorder = new Recorder((file) => this.send(file));
    byId("file").addEventListener("change", () => this.#chosen(byId("file").files));
    byId("another").addEventListener("click", () => byId("file").click());
    byId("clip-cancel").addEventListener("click", () => this.cancel());
    byId("clip-retry").addEventListener("click", () => this.#sendAgain());
    byId("preview-video").addEventListener("error", () => this.#showUnplayable(true));
    this.#listenForDrops();
    this.#show("empty");
  }

  /**
   * The method says how long a clip may be.
   *
   * @param {number} seconds
   */
  showLimit(seconds) {
    this.recorder.longestS = Math.min(this.recorder.longestS, seconds);
    const limit = seconds < 120 ? `${seconds} seconds` : `${Math.floor(seconds / 60)} minutes`;
    byId("clip-limit").textContent = `, up to ${limit}`;
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
    this.#progress("Sending…", 0, "");
    const request = new XMLHttpRequest(); // fetch tells nothing about the progress of an upload
    this.request = request;
    request.upload.onprogress = ({ loaded, total }) => this.#progress("Sending…", loaded / total, sizes(loaded, total));
    request.upload.onload = () => this.#progress("Reading the clip…", null, "Finding the hands in every frame takes a few seconds.");
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
    const { code, title, body, retry } = clipProblem(status, problem, retryAfterS);
    byId("clip-error").dataset.code = code;
    byId("clip-error-title").textContent = title;
    byId("clip-error-body").textContent = body;
    byId("clip-retry").hidden = !retry;
    this.#show("error");
  }

  /** @param {Classification} answer */
  #result(answer) {
    const signs = answer.predictions.filter(({ gloss }) => gloss !== this.noSign);
    const [top] = answer.predictions;
    const none = !top || top.gloss === this.noSign;
    byId("clip-result").replaceChildren(...present([
      h("h2.sr-only", {}, "Result"),
      ...(none ? noSignFound() : this.#sign(top, signs)),
      timeline(answer, this.noSign),
      this.#ranking(none ? "If it was a sign after all" : "How sure it is", signs),
      facts(answer)]));
    this.#show("result");
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
   * @param {string} title
   * @param {Prediction[]} signs
   */
  #ranking(title, signs) {
    return h("div.ranking", {}, h("h3", {}, title), h("ol", {},
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
   * @param {string} title
   * @param {number|null} share null: it is not known
   * @param {string} note
   */
  #progress(title, share, note) {
    byId("clip-progress-title").textContent = title;
    byId("clip-progress-note").textContent = note;
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
    const time = `${(start / 1000).toFixed(1)} to ${(end / 1000).toFixed(1)} s`;
    const item = h("li", { "data-gloss": gloss, "data-level": sureness(confidence).level },
      h("button", { type: "button", title: `${glossName(gloss)}, ${percent(confidence)}, ${time}`, onclick: () => showFrom(start) },
        h("span.gloss", {}, glossName(gloss)), h("span.sr-only", {}, `, ${percent(confidence)}, ${time}`)));
    item.style.left = share(start);
    item.style.width = share(end - start);
    return item;
  });
  return h("div.timeline", {}, h("h3", {}, "Where in the clip"), h("ol", {}, ...items),
    h("p.ends", { "aria-hidden": "true" }, h("span", {}, "0 s"), h("span", {}, `${(duration / 1000).toFixed(1)} s`)));
}

/** @param {number} ms */
function showFrom(ms) {
  const video = byId("preview-video");
  video.currentTime = ms / 1000;
  video.play().catch(() => {});
}

const noSignFound = () => [
  h("p.result-gloss.none", { "data-gloss": "" }, "No sign found"),
  h("p", {}, "The hands seem to say nothing here. Start with the hands down, sign, and lower them again."),
];

/**
 * The function makes the small print: what was read, by which bundle, in what time.
 *
 * @param {Partial<Classification>} answer
 */
function facts({ bundle, duration_ms: duration, frames, timings_ms: timings }) {
  const parts = [
    duration === undefined ? null : `${(duration / 1000).toFixed(1)} s clip`,
    frames === undefined ? null : `${frames} frames`,
    ...Object.entries(timings ?? {}).map(([name, ms]) => `${name} ${Math.round(ms)} ms`),
    bundle ?? null,
  ];
  return h("p.facts", {}, parts.filter(Boolean).join(" · "));
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
const sizes = (loaded, total) => `${(loaded / 1e6).toFixed(1)} of ${(total / 1e6).toFixed(1)} MB`;
