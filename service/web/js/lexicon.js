/** The person's own signs: the server's lexicon of one name, made when the first sign is taught. */

import { askForKey, credentials } from "./access.js";
import { lexiconProblem } from "./teach-messages.js";

/** @import { ExampleMotion, LexiconList, Problem, TaughtSign, TaughtSigns } from "../types/messages.js" */

const NAME = "mine";
const NETWORK = 0; // in place of a status, where no answer came

/** The server did not do what was asked; `code` says why to programs, `said` to people. */
export class LexiconError extends Error {
  /**
   * @param {number} status
   * @param {Partial<Problem>|null} problem
   */
  constructor(status, problem) {
    super(problem?.detail ?? `status ${status}`);
    this.code = problem?.code ?? "";
    this.said = lexiconProblem(problem, status);
  }
}

/** The class is the lexicon that this page reads with and teaches to. */
export class Lexicon {
  constructor() {
    /** @type {"unknown"|"off"|"absent"|"there"} */
    this.state = "unknown";
    /** @type {TaughtSign[]} */
    this.signs = [];
    /** @type {Map<string, Promise<ExampleMotion>>} */
    this.motions = new Map(); // by id of the example
    /** @type {(() => void)[]} */
    this.listeners = [];
    this.otherTabs = new BroadcastChannel("glosscast.lexicon");
    this.otherTabs.onmessage = () => this.refresh();
  }

  /** The property is the name to start a stream with; null while nothing is taught. */
  get inUse() {
    return this.state === "there" ? NAME : null;
  }

  /**
   * The method has `listener` called after every change.
   *
   * @param {() => void} listener
   */
  onChange(listener) {
    this.listeners.push(listener);
  }

  /** The method remembers that the server keeps no lexicons. */
  turnOff() {
    this.#become("off", []);
  }

  /** The method asks the server what there is. Where it cannot be asked, all stays as it was. */
  async refresh() {
    try {
      const { lexicons } = /** @type {LexiconList} */ (await this.#json("GET", ""));
      if (!lexicons.some(({ name }) => name === NAME)) return this.#become("absent", []);
      const { signs } = /** @type {TaughtSigns} */ (await this.#json("GET", `/${NAME}/signs`));
      return this.#become("there", signs);
    } catch (error) {
      if (error instanceof LexiconError && error.code === "lexicons_off") this.turnOff();
    }
    return undefined;
  }

  /** The method asks the server what there is after a change that this tab has made, and has other tabs do so, too. */
  async changed() {
    this.otherTabs.postMessage(null);
    await this.refresh();
  }

  /**
   * The method makes the lexicon where there is none, and returns its name.
   *
   * @throws {LexiconError}
   */
  async made() {
    if (this.state !== "there") {
      try {
        await this.#json("POST", "", JSON.stringify({ name: NAME }), { "Content-Type": "application/json" });
      } catch (error) {
        if (!(error instanceof LexiconError) || error.code !== "lexicon_exists") throw error;
      }
      this.#become("there", []);
      await this.changed();
    }
    return NAME;
  }

  /**
   * @param {string} gloss
   * @returns {TaughtSign|undefined} the sign of that name, whatever its capitals
   */
  find(gloss) {
    const wanted = folded(gloss);
    return this.signs.find((sign) => folded(sign.gloss) === wanted);
  }

  /**
   * The method returns the points of an example over time; they never change, so they are fetched once.
   *
   * @param {string} gloss
   * @param {string} id
   * @returns {Promise<ExampleMotion>}
   */
  motion(gloss, id) {
    const known = this.motions.get(id);
    if (known) return known;
    const asked = this.#json("GET", `${signPath(gloss)}/examples/${id}`);
    this.motions.set(id, asked);
    asked.catch(() => this.motions.delete(id));
    return asked;
  }

  /**
   * @param {string} gloss
   * @param {string} to
   */
  async rename(gloss, to) {
    await this.#json("PATCH", signPath(gloss), JSON.stringify({ gloss: to }), { "Content-Type": "application/json" });
    await this.changed();
  }

  /** @param {string} gloss */
  async remove(gloss) {
    await this.#ask("DELETE", signPath(gloss));
    await this.changed();
  }

  /**
   * @param {string} gloss
   * @param {string} id
   */
  async removeExample(gloss, id) {
    await this.#ask("DELETE", `${signPath(gloss)}/examples/${id}`);
    this.motions.delete(id);
    await this.changed();
  }

  /** The method returns the lexicon as a file. */
  async file() {
    const answer = await this.#ask("GET", `/${NAME}/export`);
    return new File([await answer.blob()], `${NAME}.lexicon.npz`);
  }

  /**
   * The method adds the signs of a file.
   *
   * @param {File} file
   */
  async add(file) {
    const form = new FormData();
    form.append("file", file, file.name);
    await this.#json("POST", `/${NAME}/import`, form);
    await this.changed();
  }

  /** The method deletes every sign, with the lexicon itself. */
  async forget() {
    await this.#ask("DELETE", `/${NAME}`);
    this.motions.clear();
    this.#become("absent", []);
    this.otherTabs.postMessage(null);
  }

  /**
   * @param {Lexicon["state"]} state
   * @param {TaughtSign[]} signs
   */
  #become(state, signs) {
    this.state = state;
    this.signs = signs;
    for (const listener of this.listeners) listener();
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {BodyInit|null} body
   * @param {Record<string, string>} headers
   */
  async #json(method, path, body = null, headers = {}) {
    return (await this.#ask(method, path, body, headers)).json();
  }

  /**
   * @param {string} method
   * @param {string} path below the address of all lexicons
   * @param {BodyInit|null} body
   * @param {Record<string, string>} headers
   * @returns {Promise<Response>}
   * @throws {LexiconError}
   */
  async #ask(method, path, body = null, headers = {}) {
    const url = new URL(`v1/lexicons${path}`, document.baseURI);
    let answer;
    try {
      answer = await fetch(url, { method, body, headers: { ...headers, ...credentials() } });
    } catch {
      throw new LexiconError(NETWORK, null);
    }
    if (answer.ok) return answer;
    if (answer.status === 401 && (await askForKey())) return this.#ask(method, path, body, headers);
    throw new LexiconError(answer.status, await answer.json().catch(() => null));
  }
}

/** @param {string} gloss */
const signPath = (gloss) => `/${NAME}/signs/${encodeURIComponent(gloss)}`;

/** @param {string} gloss */
const folded = (gloss) => gloss.normalize("NFKC").trim().toLowerCase();
