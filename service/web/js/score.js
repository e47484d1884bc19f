/** How often each sign was practised and read. It is kept on this device alone. */

import { option } from "./options.js";

/** @typedef {{tried: number, read: number}} Tally */

const NOTHING = "[]";
const MOST_SIGNS = 5000;
const kept = option("practice_score", /** @type {string} */ (NOTHING), (value) => typeof value === "string" && parsed(value) !== null);

/** The class counts, and keeps what it counted. */
export class Score {
  constructor() {
    /** @type {Map<string, Tally>} */
    this.tallies = new Map();
    kept.follow((text) => (this.tallies = parsed(text) ?? new Map()));
  }

  /**
   * The method has `listener` called now and after every change, in whichever tab it is made.
   *
   * @param {() => void} listener
   */
  onChange(listener) {
    kept.follow(listener);
  }

  /**
   * @param {string} gloss
   * @returns {Tally}
   */
  of(gloss) {
    return this.tallies.get(gloss) ?? { tried: 0, read: 0 };
  }

  /**
   * The method counts a try.
   *
   * @param {string} gloss that was asked for
   * @param {boolean} right whether it was read
   */
  count(gloss, right) {
    const { tried, read } = this.of(gloss);
    const tallies = new Map(this.tallies).set(gloss, { tried: tried + 1, read: read + (right ? 1 : 0) });
    kept.set(JSON.stringify([...tallies].slice(-MOST_SIGNS)));
  }

  forget() {
    kept.set(NOTHING);
  }
}

/**
 * The function reads what was kept.
 *
 * @param {string} text
 * @returns {Map<string, Tally>|null} null where it is no score
 */
function parsed(text) {
  try {
    /** @type {Map<string, Tally>} */
    const tallies = new Map();
    for (const [gloss, { tried, read }] of JSON.parse(text)) {
      if (![tried, read].every(Number.isInteger) || read < 0 || tried < read) return null;
      tallies.set(String(gloss), { tried, read });
    }
    return tallies;
  } catch {
    return null;
  }
}
