/** The words of the page in Spanish. */

/** @type {import("../js/i18n.js").Messages} */
export default {
  page: {
    language: "Idioma",
  },
};
