/** What the page keeps on the device, by name. Where storage is forbidden or full, it is kept until the page is closed. */

const PREFIX = "glosscast.";

/** @type {Map<string, string>} */
const unsaved = new Map(); // what the browser would not keep

/**
 * The function returns what was kept under a name, or null.
 *
 * @param {string} name
 * @returns {string|null}
 */
export function recall(name) {
  const value = unsaved.get(name);
  if (value !== undefined) return value;
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}

/**
 * The function keeps a value.
 *
 * @param {string} name
 * @param {string} value
 * @returns {boolean} whether the browser keeps it after the page is closed
 */
export function keep(name, value) {
  try {
    localStorage.setItem(PREFIX + name, value);
    unsaved.delete(name);
    return true;
  } catch {
    unsaved.set(name, value);
    return false;
  }
}
