/**
 * The key, where the server wants one. It is kept in this page's memory and nowhere else; streams are opened with tokens
 * that it is exchanged for, since a page cannot send a key with a websocket.
 */

import { byId } from "./dom.js";
import { SUBPROTOCOL, closeOf } from "./protocol.js";

const TOKEN_TIMEOUT_MS = 15_000;

let key = null;
let asking = null; // what the question on the screen will be answered with
const listeners = [];

/** Headers for a request. */
export const credentials = () => (key === null ? {} : { Authorization: `Bearer ${key}` });

/** Call this whenever a key has been entered. */
export const onKey = (listener) => listeners.push(listener);

/** Ask for a key. @returns {Promise<boolean>} whether one was entered; it may be wrong */
export function askForKey() {
  asking ??= new Promise((resolve) => {
    const dialog = byId("key-dialog");
    byId("key-wrong").hidden = key === null; // there was one, and still we have to ask
    dialog.returnValue = "";
    dialog.addEventListener("close", () => resolve(answered(dialog.returnValue === "use")), { once: true });
    dialog.showModal();
  });
  return asking;
}

function answered(given) {
  asking = null;
  if (given) key = byId("key-input").value;
  byId("key-input").value = "";
  if (given) for (const listener of listeners) listener();
  return given;
}

/**
 * A websocket for one stream.
 *
 * @throws {{code: number, error: object|null}} as if the server had closed it, where it gives no token
 */
export async function openStream(url) {
  const token = key === null ? [] : [`bearer.${await freshToken()}`];
  return new WebSocket(url, [SUBPROTOCOL, ...token]);
}

async function freshToken() {
  const signal = AbortSignal.timeout(TOKEN_TIMEOUT_MS);
  const response = await fetch(new URL("v1/tokens", document.baseURI), { method: "POST", headers: credentials(), signal });
  if (response.ok) return (await response.json()).token;
  throw closeOf(response.status, Number.parseInt(response.headers.get("Retry-After"), 10));
}
