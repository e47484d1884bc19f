/**
 * What the person has chosen for this page. The choices are kept in the browser under one key and are the same in all tabs.
 * Where the browser keeps nothing, they hold until the page is closed.
 */

/** @typedef {boolean|number|string} Value */

export const KEY = "glosscast.options";

/** @type {Option<any>[]} */
const options = [];
/** @type {Record<string, unknown>} */
let unkept = {}; // choices that the browser refused to keep
let chosen = stored();

/**
 * The class is one option of the page.
 *
 * @template {Value} Choice
 */
class Option {
  /** @type {Choice|undefined} */
  #pinned = undefined;
  /** @type {Choice} */
  #told;
  /** @type {((value: Choice) => void)[]} */
  #listeners = [];

  /**
   * @param {string} name
   * @param {Choice} fallback
   * @param {readonly Choice[]|((value: unknown) => boolean)} accepted
   */
  constructor(name, fallback, accepted) {
    this.name = name;
    this.fallback = fallback;
    this.accepted = accepted;
    this.#told = this.value;
  }

  /** The property is what holds now: the choice, or the fallback where there is none that the option accepts. */
  get value() {
    if (this.#pinned !== undefined) return this.#pinned;
    const found = chosen[this.name];
    return this.#accepts(found) ? found : this.fallback;
  }

  /**
   * The method makes a choice and keeps it.
   *
   * @param {Choice} value
   * @throws {RangeError} the option does not accept it
   */
  set(value) {
    if (!this.#accepts(value)) throw new RangeError(`${this.name} cannot be ${value}`);
    unkept = { ...unkept, [this.name]: value };
    refresh(); // another tab may have made a choice since
    try {
      localStorage.setItem(KEY, JSON.stringify(chosen));
      unkept = {};
    } catch {
      // Storage is forbidden or full.
    }
  }

  /**
   * The method sets the value for this page alone, whatever is kept.
   *
   * @param {Choice} value
   * @throws {RangeError} the option does not accept it
   */
  pin(value) {
    if (!this.#accepts(value)) throw new RangeError(`${this.name} cannot be ${value}`);
    this.#pinned = value;
    this.tell();
  }

  /**
   * The method calls `listener` now and after every change, in whichever tab it is made.
   *
   * @param {(value: Choice) => void} listener
   */
  follow(listener) {
    this.#listeners.push(listener);
    listener(this.value);
  }

  /**
   * The method has a control show the choice and make it. Values of a select are those of the option as text.
   *
   * @param {HTMLInputElement|HTMLSelectElement} control a checkbox or a select
   */
  bind(control) {
    const isSwitch = control instanceof HTMLInputElement;
    this.follow((value) => {
      if (isSwitch) control.checked = value === true;
      else control.value = String(value);
    });
    control.addEventListener("change", () => this.set(isSwitch ? /** @type {Choice} */ (control.checked) : this.#read(control.value)));
  }

  /** The method tells the listeners of a change, where there was one. */
  tell() {
    const { value } = this;
    if (value === this.#told) return;
    this.#told = value;
    for (const listener of this.#listeners) listener(value);
  }

  /**
   * @param {unknown} value
   * @returns {value is Choice}
   */
  #accepts(value) {
    return typeof this.accepted === "function" ? this.accepted(value) : this.accepted.includes(/** @type {Choice} */ (value));
  }

  /**
   * @param {string} text
   * @returns {Choice}
   */
  #read(text) {
    const listed = typeof this.accepted === "function" ? [] : this.accepted;
    return listed.find((value) => String(value) === text) ?? /** @type {Choice} */ (text);
  }
}

/**
 * The function makes an option.
 *
 * @template {Value} Choice
 * @param {string} name under which the choice is kept; no other option has it
 * @param {Choice} fallback holds while nothing is chosen
 * @param {readonly Choice[]|((value: unknown) => boolean)} accepted the possible choices, or what tells them
 * @returns {Option<Choice>}
 */
export function option(name, fallback, accepted) {
  const made = new Option(name, fallback, accepted);
  options.push(made);
  return made;
}

/** The function tells whether the browser has kept every choice. */
export const areKept = () => Object.keys(unkept).length === 0;

/** @returns {Record<string, unknown>} what the browser has kept; nothing where it is damaged or may not be read */
function stored() {
  try {
    const found = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    return typeof found === "object" && found !== null ? found : {};
  } catch {
    return {};
  }
}

function refresh() {
  chosen = { ...stored(), ...unkept };
  for (const made of options) made.tell();
}

window.addEventListener("storage", ({ key }) => (key === KEY || key === null) && refresh());
window.addEventListener("pageshow", refresh); // a page that was put aside hears of no change
