/** The question before something is deleted, and for a new name. */

import { byId } from "./dom.js";

/**
 * The function asks whether to do something.
 *
 * @param {{title: string, body: string, yes: string, label?: string, value?: string, danger?: boolean}} question with a `label`
 *   also for a text, of which `value` is the proposal
 * @returns {Promise<string|null>} the text, "" where none was asked for; null where the answer is no
 */
export function sure({ title, body, yes, label = "", value = "", danger = false }) {
  const dialog = byId("sure");
  byId("sure-title").textContent = title;
  byId("sure-body").textContent = body;
  byId("sure-yes").textContent = yes;
  byId("sure-yes").classList.toggle("danger", danger);
  byId("sure-label").textContent = label;
  const input = byId("sure-input");
  input.hidden = byId("sure-label").hidden = input.disabled = !label;
  input.required = Boolean(label);
  input.value = value;
  dialog.returnValue = "";
  dialog.showModal();
  if (danger) byId("sure-no").focus();
  return new Promise((answer) =>
    dialog.addEventListener("close", () => answer(dialog.returnValue === "yes" ? input.value : null), { once: true }));
}
