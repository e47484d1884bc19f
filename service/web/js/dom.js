/** Shorthand for finding and building elements; text is always set as text, never parsed as HTML. */

/** @import { Elements } from "../types/elements.js" */

/**
 * The function makes an element.
 *
 * @param {string} tag "div", or "div.name.other"
 * @param {Record<string, string|boolean|null|undefined|EventListener>} attributes attributes, or listeners as onclick
 * @param {...(Node|string|null|undefined)} children null and undefined are left out
 * @returns {HTMLElement}
 */
export function h(tag, attributes = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name);
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...present(children));
  return element;
}

/**
 * The function returns the items that are neither null nor undefined.
 *
 * @template Item
 * @param {(Item|null|undefined)[]} items
 * @returns {Item[]}
 */
export const present = (items) => items.filter((item) => item !== null && item !== undefined);

/**
 * The function returns the element of index.html that has an id.
 *
 * @template {keyof Elements} Id
 * @param {Id} id
 * @returns {Elements[Id]}
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`no element has the id ${id}`);
  return /** @type {Elements[Id]} */ (element);
}

/**
 * The function returns what draws on a canvas.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {CanvasRenderingContext2DSettings} options
 * @returns {CanvasRenderingContext2D}
 */
export function context2d(canvas, options = {}) {
  const context = canvas.getContext("2d", options);
  if (!context) throw new Error("the canvas has a context of another kind");
  return context;
}

/**
 * The function makes a bar for a share 0..1. The text beside the bar says what it measures, so screen readers skip it.
 *
 * @param {number} share
 * @param {string} className
 */
export function bar(share, className = "") {
  const fill = h("span.bar-fill");
  fill.style.width = `${Math.round(Math.min(1, Math.max(0, share)) * 100)}%`;
  return h(`span.bar${className && `.${className}`}`, { "aria-hidden": "true" }, fill);
}

/**
 * The function hands a file to the browser's downloads.
 *
 * @param {File} file
 */
export function download(file) {
  const url = URL.createObjectURL(file);
  h("a", { href: url, download: file.name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000); // by then the download has begun
}
