/** The words of the page in German. */

/** @type {import("../js/i18n.js").Messages} */
export default {
  page: {
    language: "Sprache",
  },
};
