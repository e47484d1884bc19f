/** How often each sign was practised and read. It is kept on this device alone. */

import { keep, recall } from "./storage.js";

/** @typedef {{tried: number, read: number}} Tally */

const STORED = "practice";
const MOST_SIGNS = 5000;

/** The class counts, and keeps what it counted. */
export class Score {
  constructor() {
    this.tallies = stored();
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
   * @param {boolean} read whether it was read
   */
  count(gloss, read) {
    const { tried, read: before } = this.of(gloss);
    this.tallies.set(gloss, { tried: tried + 1, read: before + (read ? 1 : 0) });
    keep(STORED, JSON.stringify([...this.tallies].slice(-MOST_SIGNS)));
  }

  forget() {
    this.tallies.clear();
    keep(STORED, "[]");
  }
}

/** The function returns what was kept; what cannot be read counts as nothing. */
function stored() {
  /** @type {Map<string, Tally>} */
  const tallies = new Map();
  try {
    for (const [gloss, { tried, read }] of JSON.parse(recall(STORED) ?? "[]")) {
      if (Number.isInteger(tried) && Number.isInteger(read) && read >= 0 && tried >= read) tallies.set(String(gloss), { tried, read });
    }
  } catch {
    tallies.clear();
  }
  return tallies;
}
