/** The signs that were taught: their list, and beside the camera the one that is looked at, with its examples. */

import { byId, download, h, present } from "./dom.js";
import { examples } from "./examples.js";
import { glossName } from "./glosses.js";
import { label, onLanguage, seconds, t } from "./i18n.js";
import { LexiconError } from "./lexicon.js";
import { Replay } from "./skeleton.js";
import { sure } from "./sure.js";
import { alike, named, risk } from "./teach-messages.js";

/** @import { LookAlike, TaughtSign } from "../types/messages.js" */
/** @import { Key, Params } from "./i18n.js" */
/** @import { Lexicon } from "./lexicon.js" */

const MOST_CARDS = 60; // more are found by their names
const SEARCH_FROM = 9; // signs
const SHORT_MS = 200; // hardly a sign

/** The class shows what was taught, and renames and deletes it. */
export class Taught {
  /**
   * @param {Lexicon} lexicon
   * @param {(sign: TaughtSign) => void} onMore another example of a sign is wanted
   */
  constructor(lexicon, onMore) {
    this.lexicon = lexicon;
    this.onMore = onMore;
    /** @type {string|null} */
    this.gloss = null; // of the sign that is looked at
    /** @type {Replay[]} */
    this.listed = [];
    /** @type {Replay[]} */
    this.shown = [];
    byId("taught-search").addEventListener("input", () => this.#renderList());
    byId("taught-import").addEventListener("click", () => byId("taught-file").click());
    byId("taught-file").addEventListener("change", () => this.#import());
    byId("taught-export").addEventListener("click", () => this.#do(async () => download(await lexicon.file())));
    byId("taught-forget").addEventListener("click", () => this.#forget());
    lexicon.onChange(() => this.#render());
    onLanguage(() => this.#render());
  }

  /**
   * The method shows a sign beside the camera.
   *
   * @param {string|null} gloss null: how teaching works
   */
  show(gloss) {
    this.gloss = gloss;
    this.#renderSign();
  }

  #render() {
    this.#renderList();
    this.#renderSign();
  }

  #renderList() {
    const { signs } = this.lexicon;
    const wanted = byId("taught-search").value.trim().toLowerCase();
    const found = signs.filter(({ gloss }) => glossName(gloss).includes(wanted)).reverse(); // the newest first
    for (const replay of this.listed.splice(0)) replay.end();
    byId("taught-empty").hidden = signs.length > 0;
    byId("taught-export").hidden = byId("taught-forget").hidden = this.lexicon.state !== "there";
    byId("taught-search-box").hidden = signs.length < SEARCH_FROM;
    byId("taught-list").replaceChildren(...found.slice(0, MOST_CARDS).map((sign) => this.#card(sign)));
    const more = found.length - MOST_CARDS;
    if (more > 0) byId("taught-list").append(label(h("li.fine"), "taught.not_shown", { n: more }));
  }

  /** @param {TaughtSign} sign */
  #card(sign) {
    const { gloss, examples, look_alikes: [other] } = sign;
    const replay = this.#replay(this.listed, sign, examples[0].id, named(gloss), false);
    return h("li.card.taught-card", { "data-gloss": gloss }, replay,
      h("h3", {}, h("button.open", { type: "button", onclick: () => this.#open(gloss) }, word(gloss))),
      label(h("p"), "taught.examples", { n: examples.length }),
      other ? h("p", {}, looksLike(h("span.few"), "taught.card_looks_like", other.gloss)) : null);
  }

  /** @param {string} gloss */
  #open(gloss) {
    this.show(gloss);
    byId("lesson").scrollIntoView({ block: "nearest" });
    byId("lesson-title").focus({ preventScroll: true });
  }

  #renderSign() {
    const sign = this.gloss === null ? undefined : this.lexicon.find(this.gloss);
    for (const replay of this.shown.splice(0)) replay.end();
    byId("lesson-steps").hidden = byId("lesson-hint").hidden = Boolean(sign);
    byId("lesson-sign").hidden = !sign;
    label(byId("lesson-title"), sign ? null : "teach.how_title");
    if (sign) byId("lesson-title").append(word(sign.gloss));
    byId("lesson").dataset.gloss = sign?.gloss ?? "";
    byId("lesson-sign").replaceChildren(...(sign ? this.#parts(sign) : []));
  }

  /** @param {TaughtSign} sign */
  #parts(sign) {
    const { gloss, language, examples, outliers } = sign;
    const button = (/** @type {Key} */ key, /** @type {() => void} */ onclick, kind = "") =>
      label(h(`button.button${kind}`, { type: "button", onclick }), key);
    return present([
      h("p.lesson-facts", {}, [t("taught.examples", { n: examples.length }), language].filter(Boolean).join(" · ")),
      h("ol.examples", {}, ...examples.map((example, index) => this.#example(sign, index, outliers.includes(example.id)))),
      examples.length > 1 ? label(h("p.alike"), alike(sign)) : null,
      ...sign.look_alikes.map((other) => this.#looksLike(sign, other)),
      h("p.lesson-tools", {},
        button("taught.add", () => this.onMore(sign)),
        button("taught.rename", () => this.#rename(gloss)),
        button("taught.delete", () => this.#remove(gloss), ".danger")),
    ]);
  }

  /**
   * @param {TaughtSign} sign
   * @param {number} index
   * @param {boolean} odd
   */
  #example({ gloss, examples }, index, odd) {
    const { id, duration_ms: duration } = examples[index];
    const name = t("taught.example", { k: index + 1, name: named(gloss) });
    return h("li", { "data-id": id },
      this.#replay(this.shown, { gloss }, id, name),
      h("p.fine", {}, `${seconds(duration)} s`),
      odd ? label(h("p.few"), "taught.unlike") : null,
      duration < SHORT_MS ? label(h("p.few"), "taught.short") : null,
      label(h("button.button.link", {
        type: "button", "aria-label": t("taught.delete_named", { name }), onclick: () => this.#removeExample(gloss, id, examples.length),
      }), "taught.delete"));
  }

  /**
   * @param {TaughtSign} sign
   * @param {LookAlike} other
   */
  #looksLike(sign, other) {
    const figure = (/** @type {string} */ gloss, /** @type {Node} */ picture) =>
      h("figure", {}, picture, h("figcaption", {}, word(gloss)));
    return h("section.looks", { "data-gloss": other.gloss, "aria-label": t("taught.looks_like", { name: named(other.gloss) }) },
      looksLike(h("h3"), "taught.looks_like_title", other.gloss),
      h("div.pair", {},
        figure(sign.gloss, this.#replay(this.shown, sign, sign.examples[0].id, named(sign.gloss))),
        figure(other.gloss, this.#rival(other))),
      h("p", {}, risk(sign.gloss, other), " ", t("taught.advice")));
  }

  /**
   * The method shows how the other sign looks: a taught one, or one of the bundle.
   *
   * @param {LookAlike} other
   */
  #rival({ gloss, taught }) {
    const rival = taught ? this.lexicon.find(gloss) : undefined;
    if (rival) return this.#replay(this.shown, rival, rival.examples[0].id, named(gloss));
    if (taught || !examples.has(gloss)) return label(h("p.replay.none"), "taught.no_recording");
    const replay = new Replay(named(gloss), () => examples.motion(gloss));
    this.shown.push(replay);
    return replay.element;
  }

  /**
   * @param {Replay[]} kept where to keep it while it is on the page
   * @param {{gloss: string}} sign
   * @param {string} id of the example
   * @param {string} name
   * @param {boolean} plays
   */
  #replay(kept, { gloss }, id, name, plays = true) {
    const replay = new Replay(name, () => this.lexicon.motion(gloss, id), { plays });
    kept.push(replay);
    return replay.element;
  }

  /** @param {string} gloss */
  async #rename(gloss) {
    const title = t("taught.rename_title", { name: named(gloss) });
    const question = { title, body: t("taught.rename_body"), yes: t("taught.rename"), label: t("taught.new_name"), value: gloss };
    const to = await sure(question);
    if (to === null || to.trim() === gloss) return;
    await this.#do(async () => {
      this.gloss = to.trim();
      await this.lexicon.rename(gloss, to.trim());
      this.#say("taught.renamed", { name: named(gloss), other: named(to) });
    }, () => this.show(gloss));
  }

  /** @param {string} gloss */
  async #remove(gloss) {
    const title = t("taught.delete_title", { name: named(gloss) });
    if ((await sure({ title, body: t("taught.delete_body"), yes: t("taught.delete"), danger: true })) === null) return;
    await this.#do(async () => {
      await this.lexicon.remove(gloss);
      this.#say("taught.deleted", { name: named(gloss) });
      byId("taught-title").focus();
    });
  }

  /**
   * @param {string} gloss
   * @param {string} id
   * @param {number} count of the sign's examples
   */
  async #removeExample(gloss, id, count) {
    if (count === 1) return this.#remove(gloss);
    return this.#do(async () => {
      await this.lexicon.removeExample(gloss, id);
      this.#say("taught.example_deleted", { name: named(gloss) });
      byId("lesson-title").focus({ preventScroll: true });
    });
  }

  async #import() {
    const [file] = byId("taught-file").files ?? [];
    byId("taught-file").value = "";
    if (!file) return;
    await this.#do(async () => {
      const before = this.lexicon.signs.length;
      await this.lexicon.add(file);
      const more = this.lexicon.signs.length - before;
      this.#say(more ? "taught.imported" : "taught.imported_none", { n: more });
    });
  }

  async #forget() {
    const body = t("taught.forget_body", { n: this.lexicon.signs.length });
    if ((await sure({ title: t("taught.forget_title"), body, yes: t("taught.forget"), danger: true })) === null) return;
    await this.#do(async () => {
      await this.lexicon.forget();
      this.#say("taught.forgotten");
      byId("taught-title").focus();
    });
  }

  /**
   * The method does something, and says why where the server does not.
   *
   * @param {() => Promise<void>} action
   * @param {() => void} undo
   */
  async #do(action, undo = () => {}) {
    this.#say(null);
    try {
      await action();
    } catch (error) {
      if (!(error instanceof LexiconError)) throw error;
      undo();
      this.#say(...error.said);
    }
  }

  /**
   * @param {Key|null} key
   * @param {Params} params
   */
  #say(key, params = {}) {
    label(byId("taught-say"), key, params);
  }
}

/** @param {string} gloss */
const word = (gloss) => h("bdi.gloss", {}, glossName(gloss));

/**
 * @param {HTMLElement} element
 * @param {Key} key
 * @param {string} gloss
 */
function looksLike(element, key, gloss) {
  element.append(h("bdi.gloss", { "data-part": "name" }));
  return label(element, key, { name: glossName(gloss) });
}
