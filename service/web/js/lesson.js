/** One lesson: the countdown, the sign, whether it was found, and again, until there are enough examples. */

/** @import { FinalMessage, ServerMessage, TaughtMessage } from "../types/messages.js" */

/**
 * - off: the camera is off;
 * - opening: it is being turned on, or the connection is being restored;
 * - count: the numbers count down, the hands are to be lowered;
 * - sign: the sign is to be signed;
 * - reading: it is being signed;
 * - found, missed: whether it became an example;
 * - trying: there are enough examples, and every sign is read.
 *
 * @typedef {"off"|"opening"|"count"|"sign"|"reading"|"found"|"missed"|"trying"} Step
 */

/**
 * @typedef {object} Pupil what hears of the lesson, and passes on what it says
 * @property {(step: Step) => void} onStep
 * @property {(taught: TaughtMessage) => void} onTaught a sign became an example, or did not
 * @property {(final: FinalMessage) => void} onRead a sign was read while it is tried
 * @property {(gloss: string, language: string) => void} teach
 * @property {() => void} teachDone
 */

const COUNT_FROM = 3;
const TICK_MS = 1000;
const ARMED_AT = 1; // of the countdown: who signs a little early is in time
const NOTHING_MS = 10_000; // without a sign
const LONGEST_MS = 15_000; // from the beginning of a sign to the answer; a slow server included
const FOUND_MS = 1800; // for a look at what was found

/** The class leads through a lesson; it knows neither the page nor the network. */
export class Lesson {
  /** @param {Pupil} pupil */
  constructor(pupil) {
    this.pupil = pupil;
    /** @type {Step} */
    this.step = "off";
    this.gloss = "";
    this.language = "";
    this.wanted = 0; // examples
    this.found = 0;
    this.left = 0; // of the countdown
    /** @type {TaughtMessage|null} */
    this.last = null; // null in the step "missed": no sign was seen
    /** @type {number|undefined} */
    this.timer = undefined;
  }

  /**
   * @param {string} gloss
   * @param {string} language
   * @param {number} wanted examples
   */
  begin(gloss, language, wanted) {
    Object.assign(this, { gloss, language, wanted, found: 0, last: null });
    this.#enter("opening");
  }

  /** The stream is open, for the first time or again. */
  opened() {
    if (this.step === "opening") this.again();
    if (this.step === "trying") this.#enter("trying");
  }

  /** The connection is lost; it will be `opened` again. */
  lost() {
    if (this.step === "off") return;
    if (this.step !== "trying") this.#enter("opening");
  }

  /** The method begins the countdown to the next example. */
  again() {
    this.left = COUNT_FROM;
    this.last = null;
    this.#enter("count", () => this.#count());
  }

  /** The method asks for one more example than there are. */
  more() {
    this.wanted = this.found + 1;
    this.again();
  }

  end() {
    this.#enter("off");
  }

  /** @param {ServerMessage} message */
  receive(message) {
    const taking = ["count", "sign", "reading", "missed"].includes(this.step); // the answer may come late
    if (message.type === "sign_started" && this.step === "sign") this.#enter("reading", () => this.#missed(null), LONGEST_MS);
    if (message.type === "taught" && taking) this.#answered(message);
    if (message.type === "final" && this.step === "trying") this.pupil.onRead(message);
  }

  #count() {
    this.left -= 1;
    if (this.left === ARMED_AT) this.pupil.teach(this.gloss, this.language);
    if (this.left > 0) this.#enter("count", () => this.#count());
    else this.#enter("sign", () => this.#missed(null), NOTHING_MS);
  }

  /** @param {TaughtMessage} taught */
  #answered(taught) {
    this.pupil.onTaught(taught);
    if (!taught.accepted) return this.#missed(taught);
    this.pupil.teachDone();
    this.found += 1;
    this.last = taught;
    this.gloss = taught.gloss; // as it is stored
    return this.#enter("found", () => (this.found < this.wanted ? this.again() : this.#enter("trying")), FOUND_MS);
  }

  /** @param {TaughtMessage|null} taught */
  #missed(taught) {
    this.pupil.teachDone();
    this.last = taught;
    this.#enter("missed");
  }

  /**
   * @param {Step} step
   * @param {() => void} next what follows by itself
   * @param {number} afterMs
   */
  #enter(step, next = () => {}, afterMs = TICK_MS) {
    clearTimeout(this.timer);
    this.step = step;
    this.pupil.onStep(step);
    this.timer = setTimeout(next, afterMs);
  }
}
