/** The view "Teach a sign": the form, the camera with what to do next, and the lesson between them. */

import { CameraStream } from "./camera-stream.js";
import { byId, h } from "./dom.js";
import { glossName } from "./glosses.js";
import { label, onLanguage, t } from "./i18n.js";
import { drawIcon } from "./icons.js";
import { Lesson } from "./lesson.js";
import { LexiconError } from "./lexicon.js";
import { noticeLine } from "./messages.js";
import { surenessLine } from "./sign-lines.js";
import { Taught } from "./taught.js";
import { lexiconProblem, named, problemOf, refusal } from "./teach-messages.js";
import { HintLine } from "./viewfinder.js";

/** @import { ErrorCode, FinalMessage, ServerMessage, TaughtMessage } from "../types/messages.js" */
/** @import { Key, Message } from "./i18n.js" */
/** @import { Step } from "./lesson.js" */
/** @import { Lexicon } from "./lexicon.js" */
/** @import { NoticeName } from "./messages.js" */
/** @import { ModeChoice } from "./mode-choice.js" */
/** @import { Fault } from "./protocol.js" */

const EXAMPLES = 3; // of a new sign
/** @type {NoticeName[]} */
const WANTED = ["paused", "away"]; // stops that need no explanation
/** @type {ErrorCode[]} */
const ENDING = ["bad_gloss", "not_allowed", "unknown_lexicon", "lexicon_unreadable"]; // after these no sign becomes an example

/** @typedef {() => [of: string, word: string, detail: string|HTMLElement]} Prompt what stands below the picture, in the language in use */

/** The class is the view: it joins the lesson, the stream and what was taught. */
export class Teach {
  /**
   * @param {ModeChoice} choice
   * @param {Lexicon} lexicon
   */
  constructor(choice, lexicon) {
    this.lexicon = lexicon;
    /** @type {string|null} */
    this.noSign = null;
    /** @type {string[]} */
    this.vocabulary = []; // of the bundle
    /** @type {Prompt} */
    this.prompt = () => ["", "", ""];
    this.said = ""; // of the prompt
    this.taught = new Taught(lexicon, (sign) => this.#begin(sign.gloss, sign.language, 1));
    this.lesson = new Lesson({
      onStep: (step) => this.#show(step),
      onTaught: (taught) => this.#learn(taught),
      onRead: (final) => this.#read(final),
      teach: (gloss, language) => this.stream.client?.teach(gloss, language),
      teachDone: () => this.stream.client?.teachDone(),
    });
    const framing = new HintLine("teach-framing");
    this.stream = new CameraStream(byId("teach-self"), byId("teach-overlay"), choice.modes, {
      onPhase: (phase) => (phase === "running" ? this.lesson.opened() : this.#tell(`notice.${phase}_title`, `notice.${phase}_body`)),
      onWait: (reason) => {
        this.lesson.lost();
        if (reason !== "renew") this.#tell(`banner.${reason}_title`, `banner.${reason}_now`);
      },
      onStop: (reason, error) => this.#stopped(reason, error),
      onSent: (sent) => choice.tell(sent),
      onCamera: () => (byId("teach-mirror").hidden = false),
      onHint: (hint) => framing.show(hint),
      onMessage: (message) => this.#receive(message),
    });
    choice.onChange(() => this.stop("paused"));
    lexicon.onChange(() => this.#offer());
    onLanguage(() => this.#speakAnew());
    this.#listen();
  }

  /** @param {{vocabulary: {gloss: string}[], no_sign: string|null}} bundle */
  useBundle({ vocabulary, no_sign: noSign }) {
    this.noSign = noSign;
    this.vocabulary = vocabulary.map(({ gloss }) => gloss);
  }

  /**
   * The method turns the camera off, if it is on.
   *
   * @param {NoticeName} reason
   */
  stop(reason) {
    if (this.stream.active) this.stream.stop(reason);
  }

  #listen() {
    byId("teach-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#begin(byId("teach-gloss").value.trim(), byId("teach-language").value.trim(), EXAMPLES);
    });
    byId("teach-gloss").addEventListener("input", () => this.#tellKnown());
    byId("teach-again").addEventListener("click", () => this.lesson.again());
    byId("teach-more").addEventListener("click", () => this.lesson.more());
    byId("teach-next").addEventListener("click", () => this.#next());
    byId("teach-stop").addEventListener("click", () => this.stop("paused"));
    byId("teach-kept").addEventListener("click", (event) => {
      event.preventDefault(); // its hash would be taken for a section
      byId("kept").scrollIntoView();
      byId("kept-title").focus({ preventScroll: true });
    });
    document.addEventListener("visibilitychange", () => document.hidden && this.stop("away"));
    window.addEventListener("pagehide", () => this.stop("away"));
  }

  /** The method shows the view, or says why nothing can be taught. */
  #offer() {
    this.#tellOff(this.lexicon.state === "off" ? "off" : null);
  }

  /** @param {"off"|"other_bundle"|null} why */
  #tellOff(why) {
    byId("teach-off").hidden = !why;
    byId("teach-body").hidden = Boolean(why);
    label(byId("teach-off-title"), why && `teach.${why}_title`);
    label(byId("teach-off-body"), why && `teach.${why}_body`);
  }

  #tellKnown() {
    const wanted = glossName(byId("teach-gloss").value);
    const is = (/** @type {string} */ gloss) => glossName(gloss) === wanted;
    const bad = this.noSign !== null && is(this.noSign);
    byId("teach-gloss").setCustomValidity(bad ? t("teach.no_sign_name") : "");
    const known = this.lexicon.find(byId("teach-gloss").value)
      ? "teach.known_taught"
      : this.vocabulary.some(is) ? "teach.known_bundle" : null;
    if (byId("teach-known").dataset.t !== (known ?? undefined)) label(byId("teach-known"), known);
  }

  /**
   * @param {string} gloss
   * @param {string} language
   * @param {number} wanted examples
   */
  async #begin(gloss, language, wanted) {
    if (!gloss) return byId("teach-gloss").reportValidity();
    this.stop("paused");
    this.#complain();
    try {
      const name = await this.lexicon.made();
      this.taught.show(gloss);
      this.lesson.begin(gloss, language, wanted);
      byId("teach-stage").scrollIntoView({ block: "nearest" });
      await this.stream.start(byId("camera").value, name);
    } catch (error) {
      if (!(error instanceof LexiconError)) throw error;
      if (error.code === "other_bundle") this.#tellOff("other_bundle");
      this.#complain(said(error.said));
    }
    return undefined;
  }

  /** The method turns the camera off and asks for the name of another sign. */
  #next() {
    this.stop("paused");
    byId("teach-gloss").value = "";
    this.#tellKnown();
    this.taught.show(null);
    byId("teach-gloss").focus();
  }

  /**
   * @param {NoticeName} reason
   * @param {Fault|null} error
   */
  #stopped(reason, error) {
    const hadFocus = byId("teach-stage").contains(document.activeElement);
    this.lesson.end();
    if (error?.code === "unknown_lexicon") this.lexicon.refresh(); // it has been deleted elsewhere
    const problem = problemOf(error?.code ?? "");
    if (!WANTED.includes(reason)) this.#complain(...(problem ? [said([problem])] : noticeLine(reason)));
    if (hadFocus) byId("teach-begin").focus();
  }

  /** @param {...(HTMLElement|string)} parts none: there is nothing to complain about */
  #complain(...parts) {
    byId("teach-problem").replaceChildren(...parts);
    byId("teach-problem").hidden = parts.length === 0;
  }

  /** @param {ServerMessage} message */
  #receive(message) {
    this.lesson.receive(message);
    if (message.type !== "error" || !ENDING.includes(message.code)) return;
    this.stop("paused");
    this.#complain(said(lexiconProblem({ code: message.code, detail: message.message })));
  }

  /** @param {TaughtMessage} taught */
  async #learn(taught) {
    if (!taught.accepted) return;
    this.taught.gloss = taught.gloss;
    await this.lexicon.changed();
  }

  /** @param {Step} step */
  #show(step) {
    const { left } = this.lesson;
    const off = step === "off";
    const focused = /** @type {HTMLElement|null} */ (document.activeElement);
    byId("teach-stage").dataset.step = step;
    byId("teach-form").hidden = !off;
    byId("teach-prompt").hidden = byId("teach-controls").hidden = off;
    if (off || step === "opening") byId("teach-mirror").hidden = !this.stream.video.srcObject;
    byId("teach-big").hidden = !["count", "found", "missed"].includes(step);
    byId("teach-count").textContent = step === "count" ? String(left) : "";
    if (step === "found" || step === "missed") drawIcon(byId("teach-mark"), step);
    byId("teach-again").hidden = step !== "missed";
    byId("teach-more").hidden = byId("teach-next").hidden = step !== "trying";
    const prompt = this.#promptOf(step);
    if (prompt) this.#prompt(prompt);
    const asks = step === "missed" || step === "trying";
    const lost = !focused?.offsetParent || (asks && byId("teach-stage").contains(focused));
    const target = step === "missed" ? "teach-again" : step === "trying" ? "teach-next" : "teach-stop";
    if (lost && !off) byId(target).focus({ preventScroll: true });
  }

  /**
   * @param {Step} step
   * @returns {Prompt|null}
   */
  #promptOf(step) {
    const { gloss, wanted, found, last } = this.lesson;
    const k = Math.min(wanted, found + (step === "found" ? 0 : 1));
    const name = named(gloss);
    const now = () => t("teach.example_of", { k, wanted });
    switch (step) {
      case "count": return () => [now(), t("teach.count_word"), t("teach.count_detail", { name })];
      case "sign": return () => [now(), t("teach.sign_word", { name }), t("teach.sign_detail")];
      case "reading": return () => [now(), `${name} …`, t("teach.reading_detail")];
      case "found": return () => [now(), t("teach.found_word"), verdict(last)];
      case "missed": return () => [now(), t("teach.missed_word"), refusal(last)];
      case "trying": return () => [t("teach.try_of"), t("teach.sign_word", { name }), t("teach.try_detail")];
      default: return null;
    }
  }

  /** @param {FinalMessage} final */
  #read({ gloss, confidence }) {
    if (gloss === this.noSign) this.#prompt(() => [t("teach.try_of"), t("teach.unknown_word"), t("teach.unknown_detail")], "");
    else this.#prompt(() => [t("teach.try_of"), named(gloss), surenessLine(confidence)], gloss);
  }

  /**
   * @param {Key} title
   * @param {Key} body
   */
  #tell(title, body) {
    this.#prompt(() => ["", t(title), t(body)]);
  }

  /**
   * The method says what to do next.
   *
   * @param {Prompt} prompt
   * @param {string|undefined} gloss that was read, "" where it was none
   */
  #prompt(prompt, gloss = undefined) {
    this.prompt = prompt;
    byId("teach-prompt").hidden = false;
    this.#say();
    if (gloss === undefined) delete byId("teach-word").dataset.gloss;
    else byId("teach-word").dataset.gloss = gloss;
  }

  /** The method writes the prompt. What stands there already is not written again: it would be announced again. */
  #say() {
    const [of, word, detail] = this.prompt();
    const line = typeof detail === "string" ? h("p", {}, detail) : detail;
    const text = [of, word, line.textContent].join("\n");
    if (text === this.said) return;
    this.said = text;
    byId("teach-of").textContent = of;
    byId("teach-word").textContent = word;
    byId("teach-detail").replaceChildren(line);
  }

  #speakAnew() {
    this.#say();
    this.#tellKnown();
  }
}

/** @param {Message} message */
const said = (message) => label(h("span"), ...message);

/**
 * The function says what is to be said of an example that was taken.
 *
 * @param {TaughtMessage|null} taught
 */
function verdict(taught) {
  if (taught?.outlier) return t("teach.found_outlier");
  return taught?.warnings.join(" ") || t("teach.found_detail"); // the server's own words, for want of a code
}
