/** The words of the page in English. The other languages have the same keys; `tests/service/test_i18n.py` compares them. */

export default {
  /** Around all views. */
  page: {
    language: "Language",
  },
};
