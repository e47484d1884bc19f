/** The clip view: choose or drop a file, watch it go, read the result. */

import { askForKey, credentials } from "./access.js";
import { resultOf } from "./clip-result.js";
import { byId, h } from "./dom.js";
import { label, number, onLanguage } from "./i18n.js";
import { clipProblem } from "./messages.js";
import { Recorder } from "./recorder.js";

/** @import { Classification, Problem } from "../types/messages.js" */
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
    onLanguage(() => this.#renderResult());
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
      byId("clip-reader").classList.add("dragging");
    });
    window.addEventListener("dragleave", (event) => !event.relatedTarget && byId("clip-reader").classList.remove("dragging"));
    window.addEventListener("drop", (event) => {
      if (!hasFile(event)) return;
      event.preventDefault();
      byId("clip-reader").classList.remove("dragging");
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

  #renderResult() {
    if (this.answer) byId("clip-result").replaceChildren(...resultOf(this.answer, this.noSign));
  }

  /** @param {Classification} answer */
  #result(answer) {
    this.answer = answer;
    this.#renderResult();
    this.#show("result");
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
    if (failed) this.#renderResult(); // what would play it is of no use
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
    byId("clip-reader").dataset.state = part;
    for (const name of PARTS) byId(`clip-${name}`).hidden = name !== part;
  }
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
