/** The words of the page in Spanish; English until they are translated. */

export { default } from "./en.js";
