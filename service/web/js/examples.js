/** How the bundle's own signs look: of which of them there is an example, and its points over time. */

import { credentials } from "./access.js";

/** @import { BundleDescription, ExampleMotion } from "../types/messages.js" */

class Examples {
  /** @type {Set<string>} */
  #glosses = new Set();
  /** @type {Map<string, Promise<ExampleMotion>>} */
  #motions = new Map();

  /** @param {Pick<BundleDescription, "vocabulary">} bundle */
  use({ vocabulary }) {
    this.#glosses = new Set(vocabulary.filter(({ example }) => example).map(({ gloss }) => gloss));
    this.#motions.clear();
  }

  /** @param {string} gloss */
  has(gloss) {
    return this.#glosses.has(gloss);
  }

  /**
   * The method returns the points of a sign's example over time; they never change, so they are fetched once.
   *
   * @param {string} gloss
   * @returns {Promise<ExampleMotion>}
   */
  motion(gloss) {
    const known = this.#motions.get(gloss);
    if (known) return known;
    const asked = this.#ask(gloss);
    this.#motions.set(gloss, asked);
    asked.catch(() => this.#motions.delete(gloss));
    return asked;
  }

  /**
   * @param {string} gloss
   * @returns {Promise<ExampleMotion>}
   */
  async #ask(gloss) {
    const url = new URL(`v1/bundle/signs/${encodeURIComponent(gloss)}/example`, document.baseURI);
    const answer = await fetch(url, { headers: credentials() });
    if (!answer.ok) throw new Error(`no example of ${gloss}: ${answer.status}`);
    return answer.json();
  }
}

export const examples = new Examples();
