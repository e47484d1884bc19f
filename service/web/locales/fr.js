/** The words of the page in French. */

/** @type {import("../js/i18n.js").Messages} */
export default {
  page: {
    language: "Langue",
  },
};
