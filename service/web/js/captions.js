/** The caption under the picture, the list of signs beside it, and what screen readers hear of both. */

import { bar, byId, h } from "./dom.js";
import { couldAlsoBe, glossName, percent, sureness } from "./glosses.js";
import { clock, save, transcript } from "./transcript.js";

const TRAIL = 4; // earlier signs above the current one
const LONGEST_HISTORY = 200;

/** "Could also be THANKS 18%, NO 12%. Similar: HELP"; null where nothing else comes into question. */
export function couldAlsoBeLine(sign, noSign) {
  const { likely, similar } = couldAlsoBe(sign, noSign);
  if (!likely.length && !similar.length) return null;
  const name = (gloss, more = "") => h("span.other", { "data-gloss": gloss }, h("span.gloss", {}, glossName(gloss)), more);
  const likelyNames = likely.map(({ gloss, confidence }) => name(gloss, ` ${percent(confidence)}`));
  const similarNames = similar.map((gloss) => name(gloss));
  return h("p.could", {},
    ...(likely.length ? ["Could also be ", ...listed(likelyNames)] : []),
    ...(similar.length ? [likely.length ? ". Similar: " : "Similar: ", ...listed(similarNames)] : []));
}

const listed = (items) => items.flatMap((item, index) => (index ? [", ", item] : [item]));

/** A bar, the per cent and the same in words. */
export function surenessLine(confidence) {
  const { level, text } = sureness(confidence);
  return h("p.sureness", { "data-level": level }, bar(confidence),
    h("span.sureness-text", {}, h("strong", {}, percent(confidence)), ` ${text.toLowerCase()}`));
}

export class Captions {
  constructor() {
    this.noSign = null;
    this.finals = [];
    this.current = null; // the final on show
    this.interim = null; // {gloss} of the sign under way; gloss null while no guess has been stable
    this.idleHint = "";
    this.originMs = performance.now(); // of the transcript
    byId("clear").addEventListener("click", () => this.clear());
    byId("copy").addEventListener("click", () => this.copy());
    for (const button of byId("saves").querySelectorAll("button")) {
      button.addEventListener("click", () => this.save(button.value));
    }
  }

  /** What to say in place of a caption while there is none. */
  setHint(text) {
    this.idleHint = text;
    this.#render();
  }

  signStarted() {
    this.interim = { gloss: null };
    this.#render();
  }

  /** A stable word stays until another is stable or the final comes: a word that comes and goes is harder to read. */
  showInterim({ gloss, stable }) {
    if (stable) this.interim = { gloss };
    else if (!this.interim) this.interim = { gloss: null };
    else return;
    this.#render();
  }

  /** The sign under way came to nothing. */
  dropInterim() {
    if (!this.interim) return;
    this.interim = null;
    this.#render();
  }

  showFinal(sign) {
    this.interim = null;
    this.current = null;
    if (sign.gloss !== this.noSign) {
      this.current = { ...sign, at: new Date() };
      this.finals.push(this.current);
      this.#announce(sign);
      this.#addToHistory(this.current);
    }
    this.#render();
  }

  clear() {
    this.finals = [];
    this.current = null;
    this.originMs = performance.now();
    byId("history").replaceChildren();
    this.#showTools();
    this.#render();
    byId("history").focus({ preventScroll: true });
  }

  async copy() {
    const text = transcript("txt", this.finals, this.originMs);
    const button = byId("copy");
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed";
    }
    setTimeout(() => (button.textContent = "Copy"), 2000);
  }

  /** @param {"txt"|"vtt"|"srt"} kind */
  save(kind) {
    save(kind, transcript(kind, this.finals, this.originMs));
  }

  #render() {
    const shown = this.interim ? null : this.current;
    const earlier = shown ? this.finals.slice(0, -1) : this.finals;
    byId("caption-trail").replaceChildren(
      ...earlier.slice(-TRAIL).map((sign) => h("span.gloss", {}, glossName(sign.gloss))));
    const word = byId("caption-word");
    const box = byId("caption");
    const gloss = this.interim ? this.interim.gloss : (shown?.gloss ?? null);
    box.dataset.kind = this.interim ? (gloss ? "interim" : "listening") : shown ? "final" : "empty";
    if (gloss) word.dataset.gloss = gloss;
    else delete word.dataset.gloss;
    word.replaceChildren(...this.#wordParts(box.dataset.kind, gloss));
    byId("caption-meta").replaceChildren(
      ...(shown ? [surenessLine(shown.confidence), couldAlsoBeLine(shown, this.noSign)].filter(Boolean) : []));
  }

  #wordParts(kind, gloss) {
    if (kind === "empty") return [this.idleHint];
    if (kind === "listening") return [h("span.dots", {}, h("i"), h("i"), h("i")), h("span.sr-only", {}, "Reading a sign")];
    return [h("span.gloss", {}, glossName(gloss))];
  }

  #announce(sign) {
    const { level, text } = sureness(sign.confidence);
    const log = byId("announce");
    log.append(h("p", {}, level === "high" ? glossName(sign.gloss) : `${glossName(sign.gloss)}, ${text.toLowerCase()}`));
    while (log.children.length > 20) log.firstChild.remove();
  }

  #addToHistory(sign) {
    const list = byId("history");
    list.prepend(h("li", { "data-gloss": sign.gloss },
      h("time", { datetime: sign.at.toISOString() }, clock(sign.at)),
      h("div", {}, h("p.history-gloss", {}, h("span.gloss", {}, glossName(sign.gloss))),
        surenessLine(sign.confidence), couldAlsoBeLine(sign, this.noSign))));
    while (list.children.length > LONGEST_HISTORY) list.lastChild.remove();
    this.#showTools();
  }

  #showTools() {
    byId("history-empty").hidden = this.finals.length > 0;
    byId("history-tools").hidden = byId("saves").hidden = this.finals.length === 0;
  }
}
