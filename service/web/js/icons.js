/** Line drawings for notices; 48 x 48. */

/** @typedef {"camera"|"camera-off"|"pause"|"wait"|"offline"|"found"|"missed"|"grow"|"shrink"} IconName */

/** @type {Record<IconName, string[]>} */
const PATHS = {
  camera: ["M6 15.5a4.5 4.5 0 0 1 4.5-4.5h17a4.5 4.5 0 0 1 4.5 4.5v17a4.5 4.5 0 0 1-4.5 4.5h-17A4.5 4.5 0 0 1 6 32.5z", "m32 21 10-6v18l-10-6"],
  "camera-off": ["M12 11h15.5a4.5 4.5 0 0 1 4.5 4.5V31", "M31 36.5a4.5 4.5 0 0 1-3.5.5h-17A4.5 4.5 0 0 1 6 32.5v-17c0-1.4.6-2.6 1.5-3.4", "m32 21 10-6v18l-6-3.6", "M5 5l38 38"],
  pause: ["M24 6a18 18 0 1 0 0 36 18 18 0 0 0 0-36", "M19.5 17.5v13M28.5 17.5v13"],
  wait: ["M24 6a18 18 0 1 0 18 18", "M24 14v10l6 4"],
  offline: ["M5 18c4-3.5 8.5-5.6 13-6.4M43 18c-3-2.6-6.3-4.5-9.7-5.6", "M12 26c2.5-2.2 5.2-3.6 8-4.2M36 26c-1.3-1.1-2.6-2-4-2.7", "M19 33.5c3-2.5 7-2.5 10 0", "M24 40h.01", "M7 6l34 36"],
  found: ["M10 25.500l10 10L39 13.500"],
  missed: ["M13 13l22 22M35 13L13 35"],
  grow: ["M7 17V7h10M31 7h10v10M41 31v10H31M17 41H7V31"],
  shrink: ["M17 7v10H7M41 17H31V7M31 41V31h10M7 31h10v10"],
};

/**
 * The function draws an icon in place of what an element shows.
 *
 * @param {SVGElement} svg
 * @param {IconName} name
 */
export function drawIcon(svg, name) {
  svg.replaceChildren(...PATHS[name].map((d) => {
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", d);
    return path;
  }));
}
