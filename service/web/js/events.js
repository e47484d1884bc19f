/**
 * Server-sent events over `fetch`, which can send a token in a header where `EventSource` cannot. The feed reconnects by
 * itself and asks for what it has missed.
 */

import { backoffMs } from "./protocol.js";

/** @import { ViewEvent } from "../types/messages.js" */

/** @typedef {"connecting"|"open"|"lost"|"full"|"gone"} FeedState gone: there are no such captions, now or any more */

const SILENCE_MS = 40_000; // the server says something every 15 s
const REFUSED = [401, 403, 404, 422];
const BUSY = 429;

/**
 * The function takes the events out of the text of a stream.
 *
 * @param {string} text
 * @returns {{events: {id: string|null, data: string}[], rest: string}} rest: the beginning of an event that is not whole
 */
export function parseEvents(text) {
  const blocks = text.replaceAll("\r\n", "\n").split("\n\n");
  const rest = blocks.pop() ?? "";
  const events = [];
  for (const block of blocks) {
    const fields = block.split("\n").map((line) => /** @type {const} */ ([line.split(":", 1)[0], line.replace(/^[^:]*:? ?/, "")]));
    const data = fields.filter(([name]) => name === "data").map(([, value]) => value);
    if (data.length) events.push({ id: fields.find(([name]) => name === "id")?.[1] ?? null, data: data.join("\n") });
  }
  return { events, rest };
}

/** The class reads the events of one view for as long as there are any. */
export class EventFeed {
  /**
   * @param {URL} url
   * @param {string} token
   * @param {{onEvent: (event: ViewEvent, isOld: boolean) => void, onState: (state: FeedState) => void}} listeners
   *   isOld: it happened before the page was opened
   */
  constructor(url, token, { onEvent, onState }) {
    this.url = url;
    this.token = token;
    this.onEvent = onEvent;
    this.onState = onState;
    this.lastId = "";
    this.attempt = 0;
  }

  async run() {
    this.onState("connecting");
    for (;;) {
      const waitMs = await this.#connect();
      if (waitMs === null) return;
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }

  /** @returns {Promise<number|null>} ms to wait before the next connection; null where it would be refused, too */
  async #connect() {
    const abort = new AbortController();
    const watchdog = { id: setTimeout(() => abort.abort(), SILENCE_MS) };
    try {
      const response = await fetch(this.url, {
        headers: { Authorization: `Bearer ${this.token}`, ...(this.lastId ? { "Last-Event-ID": this.lastId } : {}) },
        cache: "no-store",
        signal: abort.signal,
      });
      if (REFUSED.includes(response.status)) {
        this.onState("gone");
        return null;
      }
      if (!response.ok || !response.body) {
        this.onState(response.status === BUSY ? "full" : "lost");
        const askedS = Number.parseInt(response.headers.get("Retry-After") ?? "0", 10) || 0;
        return Math.max(askedS * 1000, backoffMs(this.attempt++));
      }
      this.onState("open");
      await this.#read(response, response.body, () => {
        clearTimeout(watchdog.id);
        watchdog.id = setTimeout(() => abort.abort(), SILENCE_MS);
      });
    } catch {
      // The network is gone; an answer that has been complete ends here, too.
    } finally {
      clearTimeout(watchdog.id);
      abort.abort();
    }
    this.onState("lost");
    return backoffMs(this.attempt++);
  }

  /**
   * @param {Response} response
   * @param {ReadableStream<BufferSource>} body
   * @param {() => void} onAlive
   */
  async #read(response, body, onAlive) {
    const openedAt = this.lastId ? 0 : Date.parse(response.headers.get("Date") ?? "") || 0; // by the server's clock
    let text = "";
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      onAlive();
      this.attempt = 0;
      const { events, rest } = parseEvents(text + value);
      text = rest;
      for (const { id, data } of events) {
        /** @type {ViewEvent} */
        const event = JSON.parse(data);
        if (id !== null) this.lastId = id;
        this.onEvent(event, Date.parse(event.at) < openedAt);
      }
    }
  }
}
