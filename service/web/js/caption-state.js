/** What stands in the caption and for how long. It knows neither elements nor timers, so time is handed to it. */

export const NOTICE_MS = 3000; // "Not a sign I know": brief, since it says nothing of what was signed

/**
 * @template Sign
 * @typedef {object} View
 * @property {"empty"|"listening"|"interim"|"final"|"unknown"} kind
 * @property {Sign|null} final the last final, where its time is not over; beside it there may be dots, or the notice
 * @property {string|null} guess a stable interim
 * @property {Sign[]} trail the signs before, since the caption was empty
 * @property {boolean} notice whether the last sign was none that is known
 */

/**
 * The class is the state of the caption.
 *
 * A final stays for its time, which begins anew with each one. A sign that begins does not wipe it, and one that comes to
 * nothing gives it back. When its time is over, the caption is empty, and the signs before it go with it.
 *
 * @template Sign
 */
export class CaptionState {
  constructor() {
    /** @type {Sign[]} */
    this.line = []; // the last one is on show
    this.lineFrom = 0;
    /** @type {{gloss: string|null}|null} */
    this.underWay = null; // gloss null while no guess has been stable
    /** @type {number|null} */
    this.noticeFrom = null;
  }

  begin() {
    this.underWay = { gloss: null };
    this.noticeFrom = null;
  }

  /**
   * A stable word stays until another is stable or the final comes: a word that comes and goes is harder to read.
   *
   * @param {string} gloss
   * @param {boolean} stable
   */
  guess(gloss, stable) {
    if (stable) this.underWay = { gloss };
    else this.underWay ??= { gloss: null };
  }

  /** The sign under way comes to nothing. */
  drop() {
    this.underWay = null;
  }

  /**
   * @param {Sign} sign
   * @param {number} now
   */
  show(sign, now) {
    this.drop();
    this.noticeFrom = null;
    this.line.push(sign);
    this.lineFrom = now;
  }

  /**
   * The sign under way is none that is known.
   *
   * @param {number} now
   */
  notice(now) {
    this.drop();
    this.noticeFrom = now;
  }

  /**
   * A sign is not to be shown any more.
   *
   * @param {Sign} sign
   */
  remove(sign) {
    this.line = this.line.filter((other) => other !== sign);
  }

  clear() {
    this.line = [];
    this.noticeFrom = null;
  }

  /**
   * The method forgets what has been on show for its time.
   *
   * @param {number} now
   * @param {number} holdMs how long a final stays; Infinity for ever
   * @returns {number} when there will be something to forget; Infinity where there is nothing
   */
  settle(now, holdMs) {
    const lineUntil = this.line.length ? this.lineFrom + holdMs : Infinity;
    const noticeUntil = this.noticeFrom === null ? Infinity : this.noticeFrom + NOTICE_MS;
    if (lineUntil <= now) this.line = [];
    if (noticeUntil <= now) this.noticeFrom = null;
    return Math.min(...[lineUntil, noticeUntil].filter((until) => until > now));
  }

  /** @returns {View<Sign>} */
  get view() {
    const { line, underWay } = this;
    const guess = underWay?.gloss ?? null;
    const final = guess === null ? (line.at(-1) ?? null) : null;
    const notice = this.noticeFrom !== null && !underWay;
    const still = final ? "final" : notice ? "unknown" : "empty";
    return {
      kind: underWay ? (guess ? "interim" : "listening") : still,
      final,
      guess,
      trail: final ? line.slice(0, -1) : line,
      notice,
    };
  }
}
