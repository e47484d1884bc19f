/**
 * The caption stream: framing, the meaning of close codes, and a client that reconnects by itself.
 *
 * The first half decides and does no I/O. The client takes its WebSocket and its timer from outside, so that it runs
 * without a network.
 */

export const SUBPROTOCOL = "glosscast.v1";
export const MAX_BUFFERED_BYTES = 256 * 1024; // about six frames; beyond, the network is slower than the camera
const GIVE_UP_AFTER = 8; // failed attempts in a row, together about a minute and a half
const STABLE_MS = 10_000; // a session that lived this long was a good one: start counting anew
const LONGEST_WAIT_MS = 15_000;
const STOP_TIMEOUT_MS = 3_000;
const START_TIMEOUT_MS = 30_000; // from connecting to `started`
const SILENCE_MS = 12_000; // frames go out and nothing comes back: the network is gone, though nobody has said so

const RETRY = "retry";
const STOP = "stop";

/** uint32 little-endian length of the header, the header as JSON, the picture or the keypoints. */
export function encodeFrame(seq, tMs, payload) {
  const header = new TextEncoder().encode(JSON.stringify({ seq, t_ms: tMs }));
  const message = new Uint8Array(4 + header.length + payload.byteLength);
  new DataView(message.buffer).setUint32(0, header.length, true);
  message.set(header, 4);
  message.set(new Uint8Array(payload), 4 + header.length);
  return message;
}

/** Where the stream lives, seen from a page that may itself live below a path. */
export function streamUrl(base) {
  const url = new URL("v1/stream", base);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}

/** 0.5 s, 1, 2, 4 … with a fifth of jitter, so that clients of a restarted server do not return all at once. */
export function backoffMs(attempt, random = Math.random) {
  return Math.min(LONGEST_WAIT_MS, 500 * 2 ** attempt) * (0.9 + 0.2 * random());
}

/**
 * The close that a refusal by HTTP stands for, when a token was asked for.
 *
 * @param {number} status
 * @param {number} retryAfterS NaN where the server did not say
 */
export function closeOf(status, retryAfterS) {
  if (status === 401) return { code: 4001, error: null };
  if (status === 403) return { code: 4001, error: { code: "not_allowed", retryable: false } };
  if (status === 429) return { code: 4029, error: { retryable: true, retry_after_s: retryAfterS } };
  return { code: 1006, error: null };
}

/**
 * What to do when a connection has ended.
 *
 * @param {number} code close code
 * @param {object|null} error the last `error` message of the connection
 * @param {number} attempt failures in a row so far
 * @returns {{action: "retry"|"stop", reason: string, delayMs?: number}}
 */
export function afterClose(code, error, attempt, random = Math.random) {
  const unauthorised = error?.code === "not_allowed" ? "not_allowed" : "unauthorised";
  const final = { 1000: "done", 1009: "disagree", 4000: "disagree", 4001: unauthorised, 4031: "idle" }[code];
  if (final) return { action: STOP, reason: final };
  if (code === 4008) return { action: RETRY, reason: "renew", delayMs: 0 };
  if (error?.retryable === false) return { action: STOP, reason: "refused" };
  const busy = code === 1013 || code === 4029;
  if (!busy && attempt >= GIVE_UP_AFTER) return { action: STOP, reason: "gone" };
  const asked = error?.retry_after_s;
  const delayMs = asked > 0 ? asked * 1000 : Math.max(backoffMs(attempt, random), busy ? 3000 : 0);
  return { action: RETRY, reason: busy ? "busy" : "lost", delayMs };
}

/**
 * A session that outlives its connection, as far as the client has to remember it.
 *
 * `heard` takes every message of the server; `opening(nowMs, start)` is what to say first on a connection, `start` or
 * `resume`.
 */
export class Session {
  constructor() {
    this.forget();
  }

  forget() {
    Object.assign(this, { id: null, token: null, lastSegment: null, lostAt: null });
  }

  heard(message) {
    if (message.type === "started") {
      if (!message.resumed) this.lastSegment = null;
      Object.assign(this, { id: message.session, token: message.token ?? null, lostAt: null });
      this.resumeMs = 1000 * (message.limits?.resume_s ?? 0);
    }
    if (message.type === "final") this.lastSegment = message.segment;
  }

  lost(nowMs) {
    this.lostAt ??= nowMs;
  }

  opening(nowMs, start) {
    if (this.token === null || nowMs - (this.lostAt ?? nowMs) > this.resumeMs) return start;
    return { type: "resume", session: this.id, token: this.token, last_segment: this.lastSegment };
  }
}

/**
 * One run of captions over as many connections as it takes.
 *
 * `onMessage(message)` gets every message of the server, `onState(state)` these:
 * {name: "connecting"}, {name: "open"}, {name: "waiting", reason, delayMs}, {name: "stopped", reason, error}.
 * `connect(url)` promises a WebSocket, or fails with the close code that the attempt shall count as.
 */
export class StreamClient {
  constructor({ url, start, onMessage, onState, connect, timer = window, now = () => performance.now() }) {
    Object.assign(this, { url, startMessage: start, onMessage, onState, connect, timer, now });
    this.session = new Session();
    this.attempt = 0;
    this.seq = 0;
    this.running = false;
    this.socket = null;
    this.ready = false;
    this.opening = false;
  }

  start() {
    this.running = true;
    this.attempt = 0;
    this.#connect();
  }

  /** Connect now instead of at the end of the wait. */
  retryNow() {
    if (!this.running || this.socket || this.opening) return;
    this.timer.clearTimeout(this.wait);
    this.#connect();
  }

  /** Whether a frame given now would go out without piling up. */
  get canSend() {
    return this.ready && this.socket.bufferedAmount < MAX_BUFFERED_BYTES;
  }

  /** @param {ArrayBuffer} payload a picture or keypoints, as `start` has said */
  sendFrame(tMs, payload) {
    if (!this.canSend) return false;
    this.socket.send(encodeFrame(this.seq++, tMs, payload));
    if (!this.watchdog) this.#watch(this.socket, SILENCE_MS);
    return true;
  }

  /** Ask for the sign that is under way, then end. Finals that still come in are delivered. */
  stop() {
    if (!this.running) return;
    this.running = false;
    this.timer.clearTimeout(this.wait);
    this.#unwatch();
    const socket = this.socket;
    if (this.ready) {
      this.ready = false;
      socket.send(JSON.stringify({ type: "stop" }));
      this.timer.setTimeout(() => socket.close(1000), STOP_TIMEOUT_MS);
    } else {
      socket?.close();
    }
  }

  async #connect() {
    Object.assign(this, { opening: true, ready: false, error: null, startedAt: null });
    this.onState({ name: "connecting" });
    let socket = null;
    let failure = null;
    try {
      socket = await this.connect(this.url);
    } catch (error) {
      failure = { code: 1006, error: null, ...error };
    }
    this.opening = false;
    if (!this.running) return void socket?.close(); // stopped meanwhile
    if (failure) {
      this.error = failure.error;
      return void this.#ended(failure.code);
    }
    this.#attach(socket);
    return undefined;
  }

  #attach(socket) {
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => socket.send(JSON.stringify(this.session.opening(this.now(), this.startMessage)));
    socket.onmessage = ({ data }) => this.#receive(socket, data);
    socket.onclose = ({ code }) => this.#closed(socket, code);
    this.#watch(socket, START_TIMEOUT_MS);
  }

  /** Take a connection for lost when nothing is heard for so long. */
  #watch(socket, patienceMs) {
    this.#unwatch();
    this.watchdog = this.timer.setTimeout(() => {
      if (socket !== this.socket) return;
      socket.close(); // on a dead network its close event would take minutes
      this.#closed(socket, 1006);
    }, patienceMs);
  }

  #unwatch() {
    this.timer.clearTimeout(this.watchdog);
    this.watchdog = null;
  }

  #receive(socket, data) {
    if (socket !== this.socket || typeof data !== "string") return;
    const message = JSON.parse(data);
    if (this.ready) this.#unwatch();
    this.session.heard(message);
    if (message.type === "error") this.error = message;
    if (message.type === "started" && this.running) {
      this.#unwatch();
      this.ready = true;
      this.startedAt = this.now();
      this.onState({ name: "open" });
    }
    this.onMessage(message);
  }

  #closed(socket, code) {
    if (socket !== this.socket) return;
    this.socket = null;
    this.ready = false;
    this.#unwatch();
    if (this.running) this.#ended(code);
  }

  #ended(code) {
    if (this.startedAt !== null && this.now() - this.startedAt > STABLE_MS) this.attempt = 0;
    const next = afterClose(code, this.error, this.attempt++);
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
