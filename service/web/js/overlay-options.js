/** What the address of an overlay for streaming software asks for. */

/** @import { Mode } from "./modes.js" */

/**
 * @typedef {object} OverlayOptions
 * @property {number} clearMs the caption goes when it has stood so long; Infinity: never
 * @property {Mode} mode
 * @property {number} trail number of earlier signs
 * @property {string} size of the word, a length of CSS; "" for the default
 * @property {string} color of the words, a colour of CSS; "" for the default
 * @property {string} background behind the words, a colour of CSS; "" for none
 * @property {string} key for the server; "" for none
 */

const CLEAR_S = 8;
const LONGEST_CLEAR_S = 3600;
const TRAIL = 2;
const LONGEST_TRAIL = 8;
/** @type {Record<string, [number, number]>} */
const SIZES = { px: [12, 400], vw: [1, 40] };
const MODES = /** @type {const} */ (["auto", "keypoints", "frames"]);
const HEX = /^#?((?:[0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8}))$/i;
const COLOUR = /^([a-z]+|(rgb|hsl)a?\([\d\s.,%/-]+\))$/i;

/**
 * The function reads the parameters of an overlay. A value that is none falls back to the default, and the console says so.
 *
 * @param {string} search of the address
 * @param {string} hash of the address, which browsers send to nobody: the place for a key
 * @returns {OverlayOptions|null} null where the address is not an overlay's
 */
export function overlayOptions(search, hash = "") {
  const given = new URLSearchParams(search);
  if (given.get("overlay") !== "1") return null;
  /**
   * @template Value
   * @param {string} name
   * @param {Value} fallback
   * @param {(text: string) => Value|null} parse returns null for a value that is none
   * @returns {Value}
   */
  const read = (name, fallback, parse) => {
    const text = given.get(name)?.trim();
    const value = text ? parse(text) : fallback;
    if (value !== null) return value;
    console.warn(`The overlay does not know ${name}=${text} and takes its default.`);
    return fallback;
  };
  return {
    clearMs: read("clear", CLEAR_S * 1000, (text) => {
      const seconds = number(text, 0, LONGEST_CLEAR_S);
      return seconds === null ? null : seconds * 1000 || Infinity;
    }),
    mode: read("mode", "auto", (text) => MODES.find((mode) => mode === text) ?? null),
    trail: read("trail", TRAIL, (text) => (/^\d+$/.test(text) ? number(text, 0, LONGEST_TRAIL) : null)),
    size: read("size", "", sizeOf),
    color: read("color", "", colourOf),
    background: read("background", "", colourOf),
    key: new URLSearchParams(hash.slice(1)).get("key") ?? "",
  };
}

/**
 * @param {string} text
 * @param {number} low
 * @param {number} high
 */
function number(text, low, high) {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
  return value >= low && value <= high ? value : null;
}

/** @param {string} text "72px", "9vw" or "72", which is px */
function sizeOf(text) {
  const [, digits, unit = "px"] = /^([\d.]+)(px|vw)?$/.exec(text) ?? [];
  const value = digits === undefined ? null : number(digits, ...SIZES[unit]);
  return value === null ? null : `${value}${unit}`;
}

/** @param {string} text a name, rgb(…), hsl(…), or hexadecimal digits, before which "#" may be left out */
function colourOf(text) {
  const digits = HEX.exec(text)?.[1];
  if (digits) return `#${digits}`;
  return COLOUR.test(text) && CSS.supports("color", text) ? text : null;
}
