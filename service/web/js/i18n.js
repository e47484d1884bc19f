/**
 * The words of the page in the reader's language.
 *
 * Each language is one file of `locales`; English is always loaded, and stands in where another file cannot be fetched.
 * A module that imports this one runs when the language is there, so `t` may be used at once.
 */

import en from "../locales/en.js";
import { option } from "./options.js";

/** @typedef {typeof en} English */
/** @typedef {keyof English & string} Section */
/** @typedef {{one: string, other: string}} Plural chosen by the parameter `n` */
/** @typedef {{[S in Section]: {[K in keyof English[S]]: English[S][K] extends string ? string : Plural}}} Messages */
/** @typedef {{[S in Section]: `${S}.${keyof English[S] & string}`}[Section]} Key a section and a name of it: "live.start" */
/** @typedef {Record<string, string|number>} Params */
/** @typedef {[key: Key, params?: Params]} Message what `t` and `label` take, to be said later */
/** @typedef {"en"|"de"|"fr"|"es"} Language */

/** @type {Record<Language, string>} */
export const LANGUAGES = { en: "English", de: "Deutsch", fr: "Français", es: "Español" };
const PARAMETER = "lang"; // of the address
const ATTRIBUTES = { title: "data-t-title", placeholder: "data-t-placeholder", "aria-label": "data-t-aria-label" };

const tags = /** @type {Language[]} */ (Object.keys(LANGUAGES));
/** "" leaves it to the browser. */
const chosen = option("language", /** @type {Language|""} */ (""), ["", ...tags]);
/** @type {Language} */
let language = "en";
/** @type {Language} */
let latest = "en"; // that was wanted
/** @type {Promise<void>} */
let changing = Promise.resolve();
/** @type {Messages} */
let messages = en;
/** @type {WeakMap<Element, Params>} */
const paramsOf = new WeakMap();
/** @type {Set<() => void>} */
const listeners = new Set();

/**
 * The function returns the language of the first wish that the page has.
 *
 * @param {(string|null)[]} wishes tags such as "de-AT", the best one first
 * @returns {Language}
 */
export function choose(wishes) {
  for (const wish of wishes) {
    const [primary] = (wish ?? "").toLowerCase().split("-");
    if (Object.hasOwn(LANGUAGES, primary)) return /** @type {Language} */ (primary);
  }
  return "en";
}

/** The function returns the language that is in use. */
export const current = () => language;

/**
 * The function returns a message.
 *
 * @param {Key} key
 * @param {Params} params for the `{name}`s of the message; numbers are written as the language writes them
 * @returns {string}
 */
export const t = (key, params = {}) => insert(template(key, params), params);

/**
 * @param {Key} key
 * @param {Params} params
 */
function template(key, params) {
  const [section, name] = key.split(".");
  const found = /** @type {Record<string, Record<string, string|Plural>>} */ (messages)[section]?.[name];
  if (found === undefined) throw new Error(`no message has the key ${key}`);
  const form = new Intl.PluralRules(language).select(Number(params.n)) === "one" ? "one" : "other";
  return typeof found === "string" ? found : found[form];
}

/**
 * @param {string} text
 * @param {Params} params
 */
const insert = (text, params) => text.replace(/\{(\w+)\}/g, (whole, param) => {
  const value = params[param];
  return value === undefined ? whole : typeof value === "number" ? number(value) : value;
});

/**
 * The function writes a number as the language does.
 *
 * @param {number} value
 * @param {Intl.NumberFormatOptions} options
 */
export const number = (value, options = {}) => new Intl.NumberFormat(language, options).format(value);

/**
 * The function writes a duration in seconds with one decimal, without the unit.
 *
 * @param {number} ms
 */
export const seconds = (ms) => number(ms / 1000, { minimumFractionDigits: 1, maximumFractionDigits: 1 });

/**
 * The function sets the text of an element to a message, also when the language changes later; null empties the element.
 *
 * In a message `<b>…</b>` is strong, and `<name>…</name>` stands for the child of the element whose `data-part` is that name.
 *
 * @template {HTMLElement} E
 * @param {E} element
 * @param {Key|null} key
 * @param {Params} params
 * @returns {E}
 */
export function label(element, key, params = {}) {
  if (key === null) {
    delete element.dataset.t;
    element.replaceChildren();
    return element;
  }
  element.dataset.t = key;
  paramsOf.set(element, params);
  fill(element, key, params);
  return element;
}

/**
 * @param {Element} element
 * @param {Key} key
 * @param {Params} params
 */
function fill(element, key, params) {
  const text = template(key, params); // what is inserted may look like a part and is none
  /** @type {Map<string|undefined, HTMLElement>} */
  const parts = new Map();
  for (const part of /** @type {NodeListOf<HTMLElement>} */ (element.querySelectorAll("[data-part]"))) parts.set(part.dataset.part, part);
  /** @type {(Node|string)[]} */
  const nodes = [];
  let end = 0;
  for (const found of text.matchAll(/<(\w+)>(.*?)<\/\1>/g)) {
    nodes.push(insert(text.slice(end, found.index), params));
    const part = found[1] === "b" ? document.createElement("strong") : parts.get(found[1]);
    const inner = insert(found[2], params);
    if (part) part.textContent = inner;
    nodes.push(part ?? inner);
    end = found.index + found[0].length;
  }
  nodes.push(insert(text.slice(end), params));
  element.replaceChildren(...nodes.filter((node) => node !== ""));
}

/**
 * The function puts the messages of the language into every element below one that names a message.
 *
 * @param {ParentNode} root
 */
export function translate(root) {
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("[data-t]"))) {
    fill(element, /** @type {Key} */ (element.dataset.t), paramsOf.get(element) ?? {});
  }
  for (const [attribute, named] of Object.entries(ATTRIBUTES)) {
    for (const element of root.querySelectorAll(`[${named}]`)) {
      element.setAttribute(attribute, t(/** @type {Key} */ (element.getAttribute(named))));
    }
  }
}

/**
 * The function changes the language of the page and keeps the choice in the browser.
 *
 * @param {Language} wanted
 */
export function use(wanted) {
  const address = new URL(location.href);
  address.searchParams.delete(PARAMETER); // it would go before the choice
  history.replaceState(history.state, "", address);
  chosen.set(wanted);
  follow(); // also where the choice was this one before
  return changing;
}

/**
 * The function has a view hear of a change of language, so that it writes anew what `label` does not cover.
 *
 * @param {() => void} heard
 */
export const onLanguage = (heard) => void listeners.add(heard);

/** The function changes to the language that is wanted, if another one is in use. */
function follow() {
  const wanted = choose([new URLSearchParams(location.search).get(PARAMETER), chosen.value, ...navigator.languages]);
  if (wanted !== latest) changing = change(wanted);
}

/** @param {Language} wanted */
async function change(wanted) {
  latest = wanted;
  /** @type {Messages|null} */
  const found = wanted === "en" ? en : await import(`../locales/${wanted}.js`).then((file) => file.default, () => null);
  if (wanted !== latest) return; // another one was wanted meanwhile
  messages = found ?? en; // its file could not be fetched
  language = latest = found ? wanted : "en";
  document.documentElement.lang = language;
  translate(document);
  for (const heard of listeners) heard();
}

chosen.follow(follow);
await changing;
