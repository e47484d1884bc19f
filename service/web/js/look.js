/** Names of signs that show how the sign looks: pressed, they open a small panel with its moving skeleton. */

import { byId, h } from "./dom.js";
import { examples } from "./examples.js";
import { glossName } from "./glosses.js";
import { t } from "./i18n.js";
import { Replay } from "./skeleton.js";
import { named } from "./teach-messages.js";

const GAP = 10; // pixels between a name and the panel, and between the panel and the window's edge

/** @type {Replay|null} */
let replay = null; // in the panel

/**
 * The function makes the name of a sign; where the bundle has an example of it, one to be pressed.
 *
 * @param {string} gloss
 */
export function signName(gloss) {
  const name = h("span.gloss", {}, glossName(gloss));
  if (!examples.has(gloss) || !("popover" in HTMLElement.prototype)) return name;
  const button = h("button.look-at", {
    type: "button", "aria-haspopup": "dialog", "aria-label": t("look.open", { name: named(gloss) }),
    onclick: () => open(gloss, button),
  }, name);
  return button;
}

/**
 * @param {string} gloss
 * @param {HTMLElement} beside
 */
function open(gloss, beside) {
  const panel = byId("look");
  if (panel.matches(":popover-open")) panel.hidePopover();
  byId("look-title").replaceChildren(h("span.gloss", {}, glossName(gloss)));
  replay = new Replay(named(gloss), () => examples.motion(gloss));
  byId("look-picture").replaceChildren(replay.element);
  panel.showPopover();
  place(panel, beside.getBoundingClientRect());
  byId("look-close").focus();
}

/**
 * The function puts the panel above a name, or below it where there is more room, and within the window.
 *
 * @param {HTMLElement} panel
 * @param {DOMRect} name
 */
function place(panel, name) {
  const { offsetWidth: width, offsetHeight: height } = panel;
  const within = (/** @type {number} */ at, /** @type {number} */ most) => Math.max(GAP, Math.min(at, most - GAP));
  const above = name.top - GAP - height;
  const top = above >= GAP || name.top > innerHeight - name.bottom ? above : name.bottom + GAP;
  panel.style.left = `${within(name.left + name.width / 2 - width / 2, innerWidth - width)}px`;
  panel.style.top = `${within(top, innerHeight - height)}px`;
}

/** The function prepares the panel. */
export function prepareLook() {
  byId("look-close").addEventListener("click", () => byId("look").hidePopover());
  byId("look").addEventListener("toggle", (event) => {
    if (/** @type {ToggleEvent} */ (event).newState !== "closed") return;
    replay?.end();
    replay = null;
    byId("look-picture").replaceChildren();
  });
}
