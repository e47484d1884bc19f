/** The signs that were taught: their list, and beside the camera the one that is looked at, with its examples. */

import { byId, download, h, present } from "./dom.js";
import { glossName } from "./glosses.js";
import { LexiconError } from "./lexicon.js";
import { Replay } from "./skeleton.js";
import { sure } from "./sure.js";
import { alike, named, risk } from "./teach-messages.js";

/** @import { LookAlike, TaughtSign } from "../types/messages.js" */
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
    if (more > 0) byId("taught-list").append(h("li.fine", {}, `${more} more: find them by name.`));
  }

  /** @param {TaughtSign} sign */
  #card(sign) {
    const { gloss, examples, look_alikes: [other] } = sign;
    const replay = this.#replay(this.listed, sign, examples[0].id, named(gloss), false);
    return h("li.card.taught-card", { "data-gloss": gloss }, replay,
      h("h3", {}, h("button.open", { type: "button", onclick: () => this.#open(gloss) }, word(gloss))),
      h("p", {}, counted(examples.length, "example")),
      other ? h("p", {}, h("span.few", {}, "looks like ", word(other.gloss))) : null);
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
    byId("lesson-title").replaceChildren(sign ? word(sign.gloss) : "How it works");
    byId("lesson").dataset.gloss = sign?.gloss ?? "";
    byId("lesson-sign").replaceChildren(...(sign ? this.#parts(sign) : []));
  }

  /** @param {TaughtSign} sign */
  #parts(sign) {
    const { gloss, language, examples, outliers } = sign;
    const button = (/** @type {string} */ text, /** @type {() => void} */ onclick, kind = "") =>
      h(`button.button${kind}`, { type: "button", onclick }, text);
    return present([
      h("p.lesson-facts", {}, [counted(examples.length, "example"), language].filter(Boolean).join(" · ")),
      h("ol.examples", {}, ...examples.map((example, index) => this.#example(sign, index, outliers.includes(example.id)))),
      examples.length > 1 ? h("p.alike", {}, alike(sign)) : null,
      ...sign.look_alikes.map((other) => this.#looksLike(sign, other)),
      h("p.lesson-tools", {},
        button("Add example", () => this.onMore(sign)),
        button("Rename", () => this.#rename(gloss)),
        button("Delete", () => this.#remove(gloss), ".danger")),
    ]);
  }

  /**
   * @param {TaughtSign} sign
   * @param {number} index
   * @param {boolean} odd
   */
  #example({ gloss, examples }, index, odd) {
    const { id, duration_ms: duration } = examples[index];
    const name = `example ${index + 1} of ${named(gloss)}`;
    return h("li", { "data-id": id },
      this.#replay(this.shown, { gloss }, id, name),
      h("p.fine", {}, `${(duration / 1000).toFixed(1)} s`),
      odd ? h("p.few", {}, "unlike the others") : null,
      duration < SHORT_MS ? h("p.few", {}, "very short") : null,
      h("button.button.link", {
        type: "button", "aria-label": `Delete ${name}`, onclick: () => this.#removeExample(gloss, id, examples.length),
      }, "Delete"));
  }

  /**
   * @param {TaughtSign} sign
   * @param {LookAlike} other
   */
  #looksLike(sign, other) {
    const rival = other.taught ? this.lexicon.find(other.gloss) : undefined;
    const figure = (/** @type {string} */ gloss, /** @type {Node} */ picture) =>
      h("figure", {}, picture, h("figcaption", {}, word(gloss)));
    return h("section.looks", { "data-gloss": other.gloss, "aria-label": `Looks like ${named(other.gloss)}` },
      h("h3", {}, "Looks like ", word(other.gloss)),
      h("div.pair", {},
        figure(sign.gloss, this.#replay(this.shown, sign, sign.examples[0].id, named(sign.gloss))),
        figure(other.gloss, rival
          ? this.#replay(this.shown, rival, rival.examples[0].id, named(rival.gloss))
          : h("p.replay.none", {}, "One of Glosscast’s own signs. It has no recording of it to show."))),
      h("p", {}, risk(sign.gloss, other), " More examples of both may help, or another way to sign one of them."));
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
    const title = `Rename ${named(gloss)}`;
    const body = "Captions show the new name from the next sign on.";
    const to = await sure({ title, body, yes: "Rename", label: "New name", value: gloss });
    if (to === null || to.trim() === gloss) return;
    await this.#do(async () => {
      this.gloss = to.trim();
      await this.lexicon.rename(gloss, to.trim());
      this.#say(`${named(gloss)} is ${named(to)} now.`);
    }, () => this.show(gloss));
  }

  /** @param {string} gloss */
  async #remove(gloss) {
    const body = "Its examples are deleted from the server. It is captioned no more.";
    if ((await sure({ title: `Delete ${named(gloss)}?`, body, yes: "Delete", danger: true })) === null) return;
    await this.#do(async () => {
      await this.lexicon.remove(gloss);
      this.#say(`${named(gloss)} is deleted.`);
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
      this.#say(`An example of ${named(gloss)} is deleted.`);
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
      this.#say(more ? `${counted(more, "sign")} imported.` : "Imported: no new sign, since you have these already.");
    });
  }

  async #forget() {
    const signs = counted(this.lexicon.signs.length, "sign");
    const body = `${signs} with all examples will be deleted from the server. This cannot be undone: export them first if you may want them again.`;
    if ((await sure({ title: "Forget everything?", body, yes: "Forget everything", danger: true })) === null) return;
    await this.#do(async () => {
      await this.lexicon.forget();
      this.#say("Everything is forgotten.");
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
    this.#say("");
    try {
      await action();
    } catch (error) {
      if (!(error instanceof LexiconError)) throw error;
      undo();
      this.#say(error.message);
    }
  }

  /** @param {string} text */
  #say(text) {
    byId("taught-say").textContent = text;
  }
}

/** @param {string} gloss */
const word = (gloss) => h("bdi.gloss", {}, glossName(gloss));

/**
 * @param {number} count
 * @param {string} what
 */
const counted = (count, what) => `${count} ${what}${count === 1 ? "" : "s"}`;
