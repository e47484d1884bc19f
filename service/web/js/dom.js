/** Shorthand for building elements; text is always set as text, never parsed as HTML. */

/**
 * @param {string} tag "div", or "div.name.other"
 * @param {Object<string, string|boolean|Function>} attributes attributes, or listeners as onclick
 * @param {...(Node|string|null)} children
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
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export const byId = (id) => document.getElementById(id);

/** A bar for a share 0..1; what it measures is said by the text beside it, so it is hidden from screen readers. */
export function bar(share, className = "") {
  const fill = h("span.bar-fill");
  fill.style.width = `${Math.round(Math.min(1, Math.max(0, share)) * 100)}%`;
  return h(`span.bar${className && `.${className}`}`, { "aria-hidden": "true" }, fill);
}
