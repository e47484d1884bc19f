/** The view "Teach a sign": the form, the camera with what to do next, and the lesson between them. */

import { CameraStream } from "./camera-stream.js";
import { surenessLine } from "./captions.js";
import { byId, h, present } from "./dom.js";
import { glossName } from "./glosses.js";
import { drawIcon } from "./icons.js";
import { Lesson } from "./lesson.js";
import { LexiconError } from "./lexicon.js";
import { BANNERS, NOTICES } from "./messages.js";
import { Taught } from "./taught.js";
import { lexiconProblem, named, OFF, refusal } from "./teach-messages.js";

/** @import { ErrorCode, FinalMessage, ServerMessage, TaughtMessage } from "../types/messages.js" */
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
    this.said = ""; // below the picture
    this.taught = new Taught(lexicon, (sign) => this.#begin(sign.gloss, sign.language, 1));
    this.lesson = new Lesson({
      onStep: (step) => this.#show(step),
      onTaught: (taught) => this.#learn(taught),
      onRead: (final) => this.#read(final),
      teach: (gloss, language) => this.stream.client?.teach(gloss, language),
      teachDone: () => this.stream.client?.teachDone(),
    });
    this.stream = new CameraStream(byId("teach-self"), byId("teach-overlay"), choice.modes, {
      onPhase: (phase) => (phase === "running" ? this.lesson.opened() : this.#tell(NOTICES[phase])),
      onWait: (reason) => {
        this.lesson.lost();
        if (reason !== "renew") this.#tell(BANNERS[reason]);
      },
      onStop: (reason, error) => this.#stopped(reason, error),
      onSent: (sent) => choice.tell(sent),
      onCamera: () => (byId("teach-mirror").hidden = false),
      onMessage: (message) => this.#receive(message),
    });
    choice.onChange(() => this.stop("paused"));
    lexicon.onChange(() => this.#offer());
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
    this.#tellOff(this.lexicon.state === "off" ? OFF.off : null);
  }

  /** @param {{title: string, body: string}|null} why */
  #tellOff(why) {
    byId("teach-off").hidden = !why;
    byId("teach-body").hidden = Boolean(why);
    byId("teach-off-title").textContent = why?.title ?? "";
    byId("teach-off-body").textContent = why?.body ?? "";
  }

  #tellKnown() {
    const wanted = glossName(byId("teach-gloss").value);
    const is = (/** @type {string} */ gloss) => glossName(gloss) === wanted;
    const bad = this.noSign !== null && is(this.noSign);
    byId("teach-gloss").setCustomValidity(bad ? "This name stands for hands that sign nothing." : "");
    const known = this.lexicon.find(byId("teach-gloss").value)
      ? "You have taught this sign: it gets more examples."
      : this.vocabulary.some(is) ? "Glosscast knows a sign of this name. Yours will be read as the same word." : "";
    if (byId("teach-known").textContent !== known) byId("teach-known").textContent = known;
  }

  /**
   * @param {string} gloss
   * @param {string} language
   * @param {number} wanted examples
   */
  async #begin(gloss, language, wanted) {
    if (!gloss) return byId("teach-gloss").reportValidity();
    this.stop("paused");
    this.#complain("");
    try {
      const name = await this.lexicon.made();
      this.taught.show(gloss);
      this.lesson.begin(gloss, language, wanted);
      byId("teach-stage").scrollIntoView({ block: "nearest" });
      await this.stream.start(byId("camera").value, name);
    } catch (error) {
      if (!(error instanceof LexiconError)) throw error;
      if (error.code === "other_bundle") this.#tellOff(OFF.other_bundle);
      this.#complain(error.message);
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
    const { title, body } = NOTICES[reason];
    const why = `${title}. ${body}`;
    if (!WANTED.includes(reason)) this.#complain(error?.code ? lexiconProblem({ code: error.code, detail: why }) : why);
    if (hadFocus) byId("teach-begin").focus();
  }

  /** @param {string} text */
  #complain(text) {
    byId("teach-problem").textContent = text;
    byId("teach-problem").hidden = !text;
  }

  /** @param {ServerMessage} message */
  #receive(message) {
    this.lesson.receive(message);
    if (message.type !== "error" || !ENDING.includes(message.code)) return;
    this.stop("paused");
    this.#complain(lexiconProblem({ code: message.code, detail: message.message }));
  }

  /** @param {TaughtMessage} taught */
  async #learn(taught) {
    if (!taught.accepted) return;
    this.taught.gloss = taught.gloss;
    await this.lexicon.refresh();
  }

  /** @param {Step} step */
  #show(step) {
    const { gloss, wanted, found, left, last } = this.lesson;
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
    const now = `Example ${Math.min(wanted, found + (step === "found" ? 0 : 1))} of ${wanted}`;
    const name = named(gloss);
    if (step === "count") this.#prompt(now, "Hands down", `Get ready to sign ${name}.`);
    if (step === "sign") this.#prompt(now, `Sign ${name}`, "Now. Then lower your hands.");
    if (step === "reading") this.#prompt(now, `${name} …`, "Lower your hands when you are done.");
    if (step === "found") this.#prompt(now, "Found", last?.warnings.join(" ") || "It is kept.");
    if (step === "missed") this.#prompt(now, "Not found", refusal(last));
    if (step === "trying") this.#prompt("Try it", `Sign ${name}`, "It is read from now on, here and in the live captions.");
    const asks = step === "missed" || step === "trying";
    const lost = !focused?.offsetParent || (asks && byId("teach-stage").contains(focused));
    const target = step === "missed" ? "teach-again" : step === "trying" ? "teach-next" : "teach-stop";
    if (lost && !off) byId(target).focus({ preventScroll: true });
  }

  /** @param {FinalMessage} final */
  #read(final) {
    const none = final.gloss === this.noSign;
    this.#prompt("Try it", none ? "Not a sign it knows" : named(final.gloss), none ? "Sign it again, as in the examples." : "");
    byId("teach-word").dataset.gloss = none ? "" : final.gloss;
    if (!none) byId("teach-detail").replaceChildren(surenessLine(final.confidence));
  }

  /** @param {{title: string, body: string}} notice */
  #tell({ title, body }) {
    this.#prompt("", title, body);
  }

  /**
   * The method says what to do next. What stands there already is not written again: it would be announced again.
   *
   * @param {string} of
   * @param {string} word
   * @param {string} detail
   */
  #prompt(of, word, detail) {
    const said = [of, word, detail].join("\n");
    byId("teach-prompt").hidden = false;
    if (said === this.said) return;
    this.said = said;
    byId("teach-of").textContent = of;
    byId("teach-word").textContent = word;
    delete byId("teach-word").dataset.gloss;
    byId("teach-detail").replaceChildren(...present([detail ? h("p", {}, detail) : null]));
  }
}
