/** The choice between privacy mode and pictures, which every view with a camera offers. */

import { byId } from "./dom.js";
import { label } from "./i18n.js";

/** @import { SentName } from "./messages.js" */
/** @import { Mode, Modes } from "./modes.js" */

/** The class keeps the choices of all views the same, and says what leaves the device. */
export class ModeChoice {
  /** @param {Modes} modes */
  constructor(modes) {
    this.modes = modes;
    this.selects = [byId("mode"), byId("teach-mode"), byId("practice-mode")];
    this.options = this.selects.map((select) => /** @type {HTMLOptionElement} */ (select.querySelector("[value=keypoints]")));
    /** @type {string|null|undefined} */
    this.folder = undefined; // of what privacy mode runs; null: the server has none
    this.picturesOnly = false; // the server's model cannot read points
    /** @type {(() => void)[]} */
    this.listeners = [];
    for (const select of this.selects) {
      select.addEventListener("change", () => this.choose(/** @type {Mode} */ (select.value)));
    }
  }

  /**
   * The method has `listener` called when another mode was chosen.
   *
   * @param {() => void} listener
   */
  onChange(listener) {
    this.listeners.push(listener);
  }

  /** @param {Mode} mode */
  choose(mode) {
    this.modes.wanted = mode;
    for (const select of this.selects) select.value = mode;
    for (const listener of this.listeners) listener();
  }

  /** @param {string|null} folder where Holistic for the browser lies, if the server has it */
  usePrivacy(folder) {
    this.folder = folder;
    this.#offer();
  }

  /** @param {string[]} inputs what the server's model can read */
  useInputs(inputs) {
    this.picturesOnly = !inputs.includes("keypoints");
    this.#offer();
  }

  /**
   * The method says in every view what leaves the device.
   *
   * @param {SentName} sent
   */
  tell(sent) {
    for (const id of /** @type {const} */ (["stage", "teach-stage", "practice-stage"])) byId(id).dataset.sends = sent;
    for (const id of /** @type {const} */ (["sent", "teach-sent", "practice-sent"])) label(byId(id), `sent.${sent}`);
  }

  #offer() {
    if (this.folder === undefined && !this.picturesOnly) return; // not known yet
    this.modes.folder = this.picturesOnly ? null : this.folder || null;
    const available = this.modes.folder !== null;
    const why = this.picturesOnly ? "mode.keypoints_not_here" : "mode.keypoints_not_installed";
    for (const option of this.options) {
      option.disabled = !available;
      label(option, available ? "mode.keypoints" : why);
    }
    this.tell(available ? "undecided" : this.picturesOnly ? "pictures_only" : "missing");
  }
}
