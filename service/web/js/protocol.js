/**
 * The caption stream: the meaning of close codes, and a client that reconnects by itself.
 *
 * The functions decide and do no I/O. The client takes its WebSocket and its timer from outside, so that it runs
 * without a network.
 */

import { CloseCode } from "./codes.js";
import { Session } from "./session.js";
import { encodeFrame } from "./wire.js";

/** @import { Continues as Earlier, ErrorMessage, ServerMessage, StartMessage, TeachDoneMessage, TeachMessage } from "../types/messages.js" */

/** @typedef {Pick<ErrorMessage, "retryable"> & Partial<Pick<ErrorMessage, "code"|"retry_after_s">>} Fault */
/** @typedef {{code: number, error: Fault|null}} Close what a connection ended with */
/** @typedef {"done"|"disagree"|"unauthorised"|"not_allowed"|"idle"|"refused"|"gone"} StopReason */
/** @typedef {"renew"|"busy"|"lost"} RetryReason */
/** @typedef {{action: "stop", reason: StopReason}|{action: "retry", reason: RetryReason, delayMs: number}} Next */

/**
 * @typedef {{name: "connecting"}
 *   | {name: "open"}
 *   | {name: "waiting", reason: RetryReason, delayMs: number}
 *   | {name: "stopped", reason: StopReason, error: Fault|null}} StreamState
 */

/**
 * @typedef {object} StreamOptions
 * @property {string} url
 * @property {StartMessage} start
 * @property {Earlier|null} [earlier] session of which this one goes on, for those who watch
 * @property {(message: ServerMessage) => void} onMessage gets every message of the server
 * @property {(state: StreamState) => void} onState
 * @property {(url: string) => Promise<WebSocket>} connect fails with the `Close` that the attempt shall count as
 * @property {Timer} [timer]
 * @property {() => number} [now] returns the time in ms
 */

/**
 * @typedef {object} Timer
 * @property {(run: () => void, delayMs: number) => number} setTimeout
 * @property {(id: number|undefined) => void} clearTimeout
 */

export const MAX_BUFFERED_BYTES = 256 * 1024; // about six frames; beyond, the network is slower than the camera
export const GIVE_UP_MS = 90_000; // from the loss of a connection, however many attempts that makes
const STABLE_MS = 10_000; // a session that lived this long was a good one: start counting anew
const LONGEST_WAIT_MS = 15_000;
const STOP_TIMEOUT_MS = 3_000;
const START_TIMEOUT_MS = 30_000; // from connecting to `started`
const LEAST_TIMEOUT_MS = 5_000; // the same for the last attempt, which the time to give up would cut short
const SILENCE_MS = 12_000; // frames go out and nothing comes back: the network is gone, though nobody has said so

const ABNORMAL = 1006; // what browsers report of a connection that ended without a close code
const RETRY = "retry";
const STOP = "stop";

/**
 * The function returns 0.5 s, 1, 2, 4 … with a fifth of jitter, so that clients of a restarted server do not return all at
 * once.
 *
 * @param {number} attempt failures in a row so far
 * @param {() => number} random
 */
export function backoffMs(attempt, random = Math.random) {
  return Math.min(LONGEST_WAIT_MS, 500 * 2 ** attempt) * (0.9 + 0.2 * random());
}

/**
 * The function returns the close that a refusal by HTTP stands for, when a token was asked for.
 *
 * @param {number} status
 * @param {number} retryAfterS NaN where the server did not say
 * @returns {Close}
 */
export function closeOf(status, retryAfterS) {
  if (status === 401) return { code: CloseCode.NOT_AUTHENTICATED, error: null };
  if (status === 403) return { code: CloseCode.NOT_AUTHENTICATED, error: { code: "not_allowed", retryable: false } };
  if (status === 429) return { code: CloseCode.TOO_MANY_STREAMS, error: { retryable: true, retry_after_s: retryAfterS } };
  return { code: ABNORMAL, error: null };
}

/**
 * The function decides what to do when a connection has ended.
 *
 * @param {number} code close code
 * @param {Fault|null} error the last `error` message of the connection
 * @param {number} attempt failures in a row so far
 * @param {number} lostMs how long there has been no connection
 * @param {() => number} random
 * @returns {Next}
 */
export function afterClose(code, error, attempt, lostMs, random = Math.random) {
  const unauthorised = error?.code === "not_allowed" ? "not_allowed" : "unauthorised";
  /** @type {Record<number, StopReason|undefined>} */
  const finals = {
    [CloseCode.DONE]: "done",
    [CloseCode.TOO_BIG]: "disagree",
    [CloseCode.BAD_MESSAGE]: "disagree",
    [CloseCode.NOT_AUTHENTICATED]: unauthorised,
    [CloseCode.IDLE]: "idle",
  };
  const final = finals[code];
  if (final) return { action: STOP, reason: final };
  if (code === CloseCode.EXPIRED) return { action: RETRY, reason: "renew", delayMs: 0 };
  if (error?.retryable === false) return { action: STOP, reason: "refused" };
  const busy = code === CloseCode.OVERLOADED || code === CloseCode.TOO_MANY_STREAMS;
  const asked = error?.retry_after_s ?? 0;
  const delayMs = asked > 0 ? asked * 1000 : Math.max(backoffMs(attempt, random), busy ? 3000 : 0);
  if (busy) return { action: RETRY, reason: "busy", delayMs };
  if (lostMs >= GIVE_UP_MS) return { action: STOP, reason: "gone" };
  return { action: RETRY, reason: "lost", delayMs: Math.min(delayMs, GIVE_UP_MS - lostMs) };
}

/** The class is one run of captions over as many connections as it takes. */
export class StreamClient {
  /** @param {StreamOptions} options */
  constructor({ url, start, earlier = null, onMessage, onState, connect, timer = window, now = () => performance.now() }) {
    this.url = url;
    this.startMessage = start;
    this.onMessage = onMessage;
    this.onState = onState;
    this.connect = connect;
    this.timer = timer;
    this.now = now;
    this.session = new Session(earlier);
    this.attempt = 0;
    this.lostAt = 0; // since when there has been no connection
    this.seq = 0;
    /** @type {TeachMessage|TeachDoneMessage|null} */
    this.teaching = null; // what was said last, so that it can be said again on another connection
    this.running = false;
    this.isLost = false; // rather than turned away for a while
    /** @type {WebSocket|null} */
    this.socket = null;
    this.ready = false;
    this.opening = false;
    /** @type {Fault|null} */
    this.error = null; // the last one of this connection
    /** @type {number|null} */
    this.startedAt = null;
    /** @type {number|undefined} */
    this.wait = undefined;
    /** @type {number|undefined} */
    this.watchdog = undefined;
  }

  start() {
    this.running = true;
    this.attempt = 0;
    this.lostAt = this.now();
    this.#connect();
  }

  /** The method connects now instead of at the end of the wait. */
  retryNow() {
    if (!this.running || this.socket || this.opening) return;
    this.timer.clearTimeout(this.wait);
    this.#connect();
  }

  /** The method hears that the network is back. */
  online() {
    if (this.isLost) this.retryNow();
  }

  /** The property tells whether a frame given now would go out without piling up. */
  get canSend() {
    return this.ready && this.socket !== null && this.socket.bufferedAmount < MAX_BUFFERED_BYTES;
  }

  /**
   * The method sends a frame, where `canSend` allows.
   *
   * @param {number} tMs
   * @param {ArrayBuffer} payload a picture or keypoints, as `start` has said
   * @returns {boolean} whether the frame was sent
   */
  sendFrame(tMs, payload) {
    const { socket } = this;
    if (!socket || !this.canSend) return false;
    socket.send(encodeFrame(this.seq++, tMs, payload));
    if (!this.watchdog) this.#watch(socket, SILENCE_MS);
    return true;
  }

  /**
   * The method makes the next signs examples of a gloss, until `teachDone`; `start` must have named a lexicon. The server
   * answers each of them with a `taught` message. Where the connection breaks, teaching goes on over the next one.
   *
   * @param {string} gloss
   * @param {string} language the sign language, as the user calls it
   */
  teach(gloss, language = "") {
    this.#tellTeaching({ type: "teach", gloss, language });
  }

  /** The method ends what `teach` began: a sign that is under way is no example. */
  teachDone() {
    this.#tellTeaching({ type: "teach_done" });
  }

  /** @param {TeachMessage|TeachDoneMessage} message */
  #tellTeaching(message) {
    this.teaching = message;
    if (this.ready) this.socket?.send(JSON.stringify(message));
  }

  /** The method asks for the sign that is under way, then ends. Finals that still come in are delivered. */
  stop() {
    if (!this.running) return;
    this.running = false;
    this.timer.clearTimeout(this.wait);
    this.#unwatch();
    const { socket } = this;
    if (socket && this.ready) {
      this.ready = false;
      socket.send(JSON.stringify({ type: "stop" }));
      this.timer.setTimeout(() => socket.close(CloseCode.DONE), STOP_TIMEOUT_MS);
    } else {
      socket?.close();
    }
  }

  async #connect() {
    this.opening = true;
    this.ready = false;
    this.error = null;
    this.startedAt = null;
    this.onState({ name: "connecting" });
    const reached = await this.#reach();
    this.opening = false;
    if (!this.running) {
      if (!("error" in reached)) reached.close(); // stopped meanwhile
    } else if ("error" in reached) {
      this.error = reached.error;
      this.#ended(reached.code);
    } else {
      this.#attach(reached);
    }
  }

  /** @returns {Promise<WebSocket|Close>} the close that counts where there is no connection */
  async #reach() {
    try {
      return await this.connect(this.url);
    } catch (error) {
      return { code: ABNORMAL, error: null, .../** @type {Partial<Close>} */ (error) };
    }
  }

  /** @param {WebSocket} socket */
  #attach(socket) {
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => socket.send(JSON.stringify(this.session.opening(this.now(), this.startMessage)));
    socket.onmessage = ({ data }) => this.#receive(socket, data);
    socket.onclose = ({ code }) => this.#closed(socket, code);
    const leftMs = GIVE_UP_MS - (this.now() - this.lostAt);
    this.#watch(socket, Math.min(START_TIMEOUT_MS, Math.max(leftMs, LEAST_TIMEOUT_MS)));
  }

  /**
   * The method takes a connection for lost when nothing is heard for so long.
   *
   * @param {WebSocket} socket
   * @param {number} patienceMs
   */
  #watch(socket, patienceMs) {
    this.#unwatch();
    this.watchdog = this.timer.setTimeout(() => {
      if (socket !== this.socket) return;
      socket.close(); // on a dead network its close event would take minutes
      this.#closed(socket, ABNORMAL);
    }, patienceMs);
  }

  #unwatch() {
    this.timer.clearTimeout(this.watchdog);
    this.watchdog = undefined;
  }

  /**
   * @param {WebSocket} socket
   * @param {unknown} data
   */
  #receive(socket, data) {
    if (socket !== this.socket || typeof data !== "string") return;
    /** @type {ServerMessage} */
    const message = JSON.parse(data);
    if (this.ready) this.#unwatch();
    const isNew = this.session.receive(message);
    if (message.type === "error") this.error = message;
    if (message.type === "started" && this.running) {
      this.#unwatch();
      this.ready = true;
      this.startedAt = this.now();
      if (this.teaching) this.#tellTeaching(this.teaching);
      this.onState({ name: "open" });
    }
    if (isNew) this.onMessage(message);
  }

  /**
   * @param {WebSocket} socket
   * @param {number} code
   */
  #closed(socket, code) {
    if (socket !== this.socket) return;
    this.socket = null;
    this.ready = false;
    this.#unwatch();
    if (this.running) this.#ended(code);
  }

  /** @param {number} code */
  #ended(code) {
    if (this.startedAt !== null && this.now() - this.startedAt > STABLE_MS) {
      this.attempt = 0;
      this.lostAt = this.now();
    }
    const next = afterClose(code, this.error, this.attempt++, this.now() - this.lostAt);
    this.isLost = next.reason === "lost";
    if (next.action === STOP || next.reason === "renew") this.session.forget(); // over, or unknown to the server
    else this.session.lost(this.now());
    if (next.action === STOP) {
      this.running = false;
      this.onState({ name: "stopped", reason: next.reason, error: this.error });
      return;
    }
    this.onState({ name: "waiting", reason: next.reason, delayMs: next.delayMs });
    this.wait = this.timer.setTimeout(() => this.#connect(), next.delayMs);
  }
}
