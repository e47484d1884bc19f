/** "Show elsewhere": the link under which others read the captions of this page, and who they are. */

import { byId } from "./dom.js";
import { label } from "./i18n.js";

/** @import { View } from "../types/messages.js" */

const SAID_MS = 2000;

/**
 * The function returns the address of the page that shows a view. The token is its fragment, which no request contains.
 *
 * @param {View} view
 * @param {string} base the address of this page
 */
export const watchUrl = ({ session, token }, base) => Object.assign(new URL(`watch/${session}`, base), { hash: token }).href;

/** The class offers the link of the captions that run, or ran last. */
export class Share {
  constructor() {
    byId("share").addEventListener("click", () => byId("share-dialog").showModal());
    byId("share-copy").addEventListener("click", () => this.#copy());
    byId("share-link").addEventListener("focus", () => byId("share-link").select());
  }

  /**
   * The method takes note of the view that a session has.
   *
   * @param {View|null|undefined} view
   */
  use(view) {
    byId("share").hidden = !view;
    if (!view) return;
    const url = watchUrl(view, document.baseURI);
    byId("share-link").value = url;
    byId("share-open").href = url;
  }

  async #copy() {
    const button = byId("share-copy");
    try {
      await navigator.clipboard.writeText(byId("share-link").value);
      label(button, "share.copied");
    } catch {
      byId("share-link").focus();
      label(button, "share.by_hand");
    }
    setTimeout(() => label(button, "share.copy"), SAID_MS);
  }
}
