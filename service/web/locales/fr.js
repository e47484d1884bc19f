/** The words of the page in French; English until they are translated. */

export { default } from "./en.js";
