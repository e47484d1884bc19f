/** What a page remembers of a session, so that a new connection can go on with it. */

/** @import { Continues as Earlier, ResumeMessage, ServerMessage, StartMessage } from "../types/messages.js" */

/**
 * The class remembers a session that outlives its connection, as far as the client has to.
 *
 * `receive` takes every message of the server; `opening(nowMs, start)` is what to say first on a connection, `start` or
 * `resume`.
 */
export class Session {
  /** @param {Earlier|null} earlier of which this one goes on, for those who watch */
  constructor(earlier = null) {
    this.earlier = earlier;
    /** @type {{id: string, token: string}|null} */
    this.known = null; // null: there is nothing to resume
    /** @type {number|null} */
    this.lastSegment = null;
    /** @type {number|null} */
    this.lastTaught = null; // segment of the last `taught`
    /** @type {number|null} */
    this.lostAt = null;
    this.resumeMs = 0;
  }

  forget() {
    this.known = this.lastSegment = this.lastTaught = this.lostAt = null;
  }

  /**
   * @param {ServerMessage} message
   * @returns {boolean} whether it is new; after `resume` a `taught` may come again
   */
  receive(message) {
    if (message.type === "started") {
      if (!message.resumed) this.lastSegment = this.lastTaught = null;
      this.known = message.token ? { id: message.session, token: message.token } : null;
      this.earlier = message.view ? { session: message.session, token: message.token } : null;
      this.lostAt = null;
      this.resumeMs = 1000 * (message.limits?.resume_s ?? 0);
    }
    if (message.type === "final") this.lastSegment = message.segment;
    if (message.type === "taught") {
      if (this.lastTaught !== null && message.segment <= this.lastTaught) return false;
      this.lastTaught = message.segment;
    }
    return true;
  }

  /** @param {number} nowMs */
  lost(nowMs) {
    this.lostAt ??= nowMs;
  }

  /**
   * @param {number} nowMs
   * @param {StartMessage} start
   * @returns {StartMessage|ResumeMessage}
   */
  opening(nowMs, start) {
    if (this.known === null || nowMs - (this.lostAt ?? nowMs) > this.resumeMs) {
      return this.earlier === null ? start : { ...start, continues: this.earlier };
    }
    return { type: "resume", session: this.known.id, token: this.known.token, last_segment: this.lastSegment };
  }
}
