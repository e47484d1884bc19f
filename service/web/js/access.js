/**
 * The key, where the server wants one. It is kept in this page's memory and nowhere else; streams are opened with tokens
 * that it is exchanged for, since a page cannot send a key with a websocket.
 */

import { byId } from "./dom.js";
import { SUBPROTOCOL } from "./codes.js";
import { closeOf } from "./protocol.js";

/** @import { StreamToken } from "../types/messages.js" */

const TOKEN_TIMEOUT_MS = 15_000;

/** @type {string|null} */
let key = null;
/** @type {Promise<boolean>|null} */
let asking = null; // what the question on the screen will be answered with
/** @type {(() => void)[]} */
const listeners = [];

/**
 * The function returns the headers that a request needs.
 *
 * @returns {Record<string, string>}
 */
export const credentials = () => (key === null ? {} : { Authorization: `Bearer ${key}` });

/**
 * The function takes a key that nobody had to be asked for.
 *
 * @param {string} given
 */
export const useKey = (given) => void (key = given);

/**
 * The function has `listener` called whenever a key has been entered.
 *
 * @param {() => void} listener
 */
export const onKey = (listener) => listeners.push(listener);

/**
 * The function asks the person for a key.
 *
 * @returns {Promise<boolean>} whether one was entered; it may be wrong
 */
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

/** @param {boolean} given */
function answered(given) {
  asking = null;
  if (given) key = byId("key-input").value;
  byId("key-input").value = "";
  if (given) for (const listener of listeners) listener();
  return given;
}

/**
 * The function opens a websocket for one stream.
 *
 * @param {string} url
 * @returns {Promise<WebSocket>}
 * @throws {import("./protocol.js").Close} as if the server had closed it, where it gives no token
 */
export async function openStream(url) {
  const token = key === null ? [] : [`bearer.${await freshToken()}`];
  return new WebSocket(url, [SUBPROTOCOL, ...token]);
}

/** @returns {Promise<string>} */
async function freshToken() {
  const signal = AbortSignal.timeout(TOKEN_TIMEOUT_MS);
  const response = await fetch(new URL("v1/tokens", document.baseURI), { method: "POST", headers: credentials(), signal });
  if (response.ok) return /** @type {StreamToken} */ (await response.json()).token;
  throw closeOf(response.status, Number.parseInt(response.headers.get("Retry-After") ?? "", 10));
}
