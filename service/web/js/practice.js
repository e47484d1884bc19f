/** The view "Practise signs": asks for a sign, shows it, and says what was read and what differed. */

import { CameraStream } from "./camera-stream.js";
import { surenessLine } from "./sign-lines.js";
import { differences, measure, motionOf } from "./compare.js";
import { byId, h, present } from "./dom.js";
import { examples } from "./examples.js";
import { COULD_BE_FROM, glossName, percent } from "./glosses.js";
import { label, onLanguage, t } from "./i18n.js";
import { drawIcon } from "./icons.js";
import { noticeLine } from "./messages.js";
import { Score } from "./score.js";
import { Replay } from "./skeleton.js";
import { sure } from "./sure.js";
import { named } from "./teach-messages.js";
import { HintLine } from "./viewfinder.js";

/** @import { BundleDescription, ExampleMotion, FinalMessage, ServerMessage } from "../types/messages.js" */
/** @import { Difference } from "./compare.js" */
/** @import { Landmarks } from "./figure.js" */
/** @import { Key } from "./i18n.js" */
/** @import { Lexicon } from "./lexicon.js" */
/** @import { NoticeName } from "./messages.js" */
/** @import { ModeChoice } from "./mode-choice.js" */

/** @typedef {{gloss: string, motion: (() => Promise<ExampleMotion>)|null}} Item a sign to practise; motion null: it has no example */
/** @typedef {"off"|"opening"|"sign"|"right"|"wrong"} Step */

const RIGHT_MS = 2500; // for a look at what was read, before the next sign is asked for
const REMEMBERED_MS = 15_000; // of the points that were seen: the longest sign, and the answer of a slow server
/** @type {NoticeName[]} */
const WANTED = ["paused", "away"]; // stops that need no explanation

/** The class is the view. */
export class Practice {
  /**
   * @param {ModeChoice} choice
   * @param {Lexicon} lexicon
   */
  constructor(choice, lexicon) {
    this.lexicon = lexicon;
    this.score = new Score();
    /** @type {string|null} */
    this.noSign = null;
    /** @type {string[]} */
    this.known = []; // signs of the bundle
    /** @type {Item|null} */
    this.item = null; // that is asked for
    /** @type {Step} */
    this.step = "off";
    /** @type {() => (HTMLElement|string)[]} */
    this.prompt = () => []; // above it, the word and what follows, in the language in use
    /** @type {{tMs: number, points: Landmarks}[]} */
    this.seen = [];
    /** @type {Replay|null} */
    this.replay = null;
    /** @type {number|undefined} */
    this.timer = undefined;
    const framing = new HintLine("practice-framing");
    this.stream = new CameraStream(byId("practice-self"), byId("practice-overlay"), choice.modes, {
      onPhase: (phase) => (phase === "running" ? this.#ask() : this.#wait(`notice.${phase}_title`, `notice.${phase}_body`)),
      onWait: (reason) => reason !== "renew" && this.#wait(`banner.${reason}_title`, `banner.${reason}_now`),
      onStop: (reason) => this.#stopped(reason),
      onSent: (sent) => choice.tell(sent),
      onCamera: () => (byId("practice-mirror").hidden = false),
      onHint: (hint) => framing.show(hint),
      onPoints: (points, tMs) => this.#remember(points, tMs),
      onMessage: (message) => this.#receive(message),
    });
    choice.onChange(() => this.stop("paused"));
    lexicon.onChange(() => this.#renew());
    onLanguage(() => this.#renderAll());
    this.score.onChange(() => this.#renderScore());
    this.#listen();
  }

  /** @param {Pick<BundleDescription, "vocabulary"|"no_sign">} bundle */
  useBundle({ vocabulary, no_sign: noSign }) {
    this.noSign = noSign;
    this.known = vocabulary.map(({ gloss }) => gloss).filter((gloss) => gloss !== noSign);
    this.#renew();
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
    byId("practice-begin").addEventListener("click", () => this.#begin());
    byId("practice-stop").addEventListener("click", () => this.stop("paused"));
    byId("practice-next").addEventListener("click", () => this.#next());
    byId("practice-memory").addEventListener("change", () => this.#renderItem());
    byId("practice-forget").addEventListener("click", () => this.#forget());
    document.addEventListener("visibilitychange", () => document.hidden && this.stop("away"));
    window.addEventListener("pagehide", () => this.stop("away"));
  }

  /**
   * The property is all signs to practise: those that were taught, and those of the bundle that no taught one replaces.
   *
   * @returns {Item[]}
   */
  get items() {
    const taught = this.lexicon.signs.map(({ gloss, examples: [first] }) =>
      ({ gloss, motion: () => this.lexicon.motion(gloss, first.id) }));
    const known = this.known.filter((gloss) => !this.lexicon.find(gloss))
      .map((gloss) => ({ gloss, motion: examples.has(gloss) ? () => examples.motion(gloss) : null }));
    return [...known, ...taught];
  }

  /** The method takes note of other signs; the one that is asked for stays where it is still there. */
  #renew() {
    const { items } = this;
    byId("practice-begin").disabled = items.length === 0;
    this.item = items.find(({ gloss }) => gloss === this.item?.gloss) ?? null;
    if (!this.item && items.length) this.item = this.#chosen();
    this.#renderItem();
    this.#renderScore();
  }

  /** The method returns the sign that was read least so far, and was tried least of these; never the same twice in a row. */
  #chosen() {
    const { items, item } = this;
    const at = items.findIndex(({ gloss }) => gloss === item?.gloss);
    const others = [...items.slice(at + 1), ...items.slice(0, Math.max(0, at))];
    const rank = (/** @type {Item} */ { gloss }) => this.score.of(gloss).read * 1e6 + this.score.of(gloss).tried;
    return others.sort((a, b) => rank(a) - rank(b))[0] ?? item;
  }

  #begin() {
    this.#complain();
    this.seen = [];
    byId("practice-stage").scrollIntoView({ block: "nearest" });
    return this.stream.start(byId("camera").value, this.lexicon.inUse);
  }

  #next() {
    this.item = this.#chosen();
    this.#renderItem();
    if (this.step === "off") return this.#show("off");
    return this.step === "opening" ? undefined : this.#ask();
  }

  /** The method asks for the sign. */
  #ask() {
    const gloss = this.item?.gloss ?? "";
    this.#show("sign", () => ["", t("practice.sign", { name: named(gloss) }), t("practice.sign_detail")]);
  }

  /**
   * @param {Key} title
   * @param {Key} body
   */
  #wait(title, body) {
    this.seen = [];
    this.#show("opening", () => ["", t(title), t(body)]);
  }

  /** @param {NoticeName} reason */
  #stopped(reason) {
    const hadFocus = byId("practice-stage").contains(document.activeElement);
    byId("practice-mirror").hidden = true;
    this.#show("off");
    if (!WANTED.includes(reason)) this.#complain(...noticeLine(reason));
    if (hadFocus) byId("practice-begin").focus({ preventScroll: true });
  }

  /** @param {...(HTMLElement|string)} parts none: there is nothing to complain about */
  #complain(...parts) {
    byId("practice-problem").replaceChildren(...parts);
    byId("practice-problem").hidden = parts.length === 0;
  }

  /**
   * @param {Landmarks} points
   * @param {number} tMs
   */
  #remember(points, tMs) {
    this.seen.push({ tMs, points });
    if (this.seen[0].tMs < tMs - REMEMBERED_MS) this.seen.shift();
  }

  /** @param {ServerMessage} message */
  #receive(message) {
    const asked = this.step === "sign" || this.step === "wrong";
    if (message.type === "final" && asked && this.item) this.#judge(message, this.item);
  }

  /**
   * The method says what was read. A sign that is read needs no remark, whatever differs: it was understood.
   *
   * @param {FinalMessage} final
   * @param {Item} item
   */
  async #judge(final, item) {
    const right = final.gloss === item.gloss;
    this.score.count(item.gloss, right);
    if (right) {
      this.#show("right", () => ["", t("practice.right", { name: named(item.gloss) }), surenessLine(final.confidence)]);
      this.timer = setTimeout(() => this.#next(), RIGHT_MS);
      return;
    }
    const { run } = this.stream;
    const sign = this.#signOf(final);
    const example = await item.motion?.().catch(() => null);
    if (run !== this.stream.run || item !== this.item) return; // too late
    const [shown, done] = [example && measure(example), sign && measure(sign)];
    const found = shown && done ? differences(shown, done) : [];
    this.#show("wrong", () => [t("practice.again", { name: named(item.gloss) }), ...this.#verdict(final, found)]);
  }

  /** @param {FinalMessage} final */
  #signOf({ start_ms: startMs, end_ms: endMs }) {
    const { videoWidth: width, videoHeight: height } = this.stream.video;
    return motionOf(this.seen, width / height || 4 / 3, startMs, endMs);
  }

  /**
   * @param {FinalMessage} final
   * @param {Difference[]} found
   * @returns {(HTMLElement|string)[]}
   */
  #verdict({ gloss, confidence, alternatives }, found) {
    const none = gloss === this.noSign;
    const [closest] = none ? alternatives.filter((other) => other.gloss !== gloss && other.confidence >= COULD_BE_FROM) : [];
    const share = closest && { name: named(closest.gloss), share: percent(closest.confidence) };
    return [
      none ? t("practice.no_sign") : t("practice.read_as", { name: named(gloss) }),
      ...present([none ? null : surenessLine(confidence), share ? h("p", {}, t("practice.closest", share)) : null]),
      ...found.map((name) => h("p.differs", {}, t(`practice.${name}`))),
    ];
  }

  /**
   * @param {Step} step
   * @param {() => (HTMLElement|string)[]} prompt
   */
  #show(step, prompt = () => []) {
    clearTimeout(this.timer);
    this.step = step;
    this.prompt = prompt;
    const off = step === "off";
    byId("practice-stage").dataset.step = step;
    byId("practice-cover").hidden = !off;
    byId("practice-stop").hidden = off;
    byId("practice-big").hidden = step !== "right";
    if (step === "right") drawIcon(byId("practice-mark"), "found");
    this.#say();
    if (!off && document.activeElement === document.body) byId("practice-next").focus({ preventScroll: true });
  }

  #say() {
    const [of = "", word = "", ...detail] = this.prompt();
    byId("practice-of").replaceChildren(of);
    byId("practice-word").replaceChildren(word);
    byId("practice-detail").replaceChildren(...detail.map((part) => (typeof part === "string" ? h("p", {}, part) : part)));
  }

  #renderAll() {
    this.#say();
    this.#renderItem();
    this.#renderScore();
  }

  #renderItem() {
    const { item } = this;
    const shown = item?.motion && !byId("practice-memory").checked ? item.motion : null;
    this.replay?.end();
    this.replay = item && shown && new Replay(named(item.gloss), shown);
    byId("practice-gloss").replaceChildren(...(item ? [h("bdi.gloss", {}, glossName(item.gloss))] : []));
    byId("practice-picture").replaceChildren(...present([this.replay?.element]));
    byId("practice-without").hidden = !item || item.motion !== null;
  }

  #renderScore() {
    const tried = this.items.filter(({ gloss }) => this.score.of(gloss).tried);
    byId("practice-none").hidden = tried.length > 0;
    byId("practice-forget").hidden = tried.length === 0;
    byId("practice-scores").replaceChildren(...tried.map(({ gloss }) =>
      h("li", { "data-gloss": gloss }, h("bdi.gloss", {}, glossName(gloss)), label(h("span"), "practice.tally", { ...this.score.of(gloss) }))));
  }

  async #forget() {
    const question = { title: t("practice.forget_title"), body: t("practice.forget_body"), yes: t("practice.forget"), danger: true };
    if ((await sure(question)) === null) return;
    this.score.forget();
    byId("practice-score-title").focus({ preventScroll: true });
  }
}
