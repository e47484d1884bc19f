import js from "@eslint/js";
import { defineConfig } from "eslint/config";
import globals from "globals";

const WORKER = "service/web/js/holistic-worker.js";

export default defineConfig([
  {
    files: ["**/*.js"],
    extends: [js.configs.recommended],
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      curly: ["error", "multi-line"],
      eqeqeq: "error",
      "no-implicit-coercion": "error",
      "no-var": "error",
      "object-shorthand": "error",
      "prefer-const": "error",
      "prefer-template": "error",
    },
  },
  { files: ["service/web/{js,locales}/*.js"], languageOptions: { globals: globals.browser } },
  {
    // TypeScript checks the names of a worker's globals, those of the package among them.
    files: [WORKER],
    languageOptions: { sourceType: "script", globals: { ...globals.worker, Holistic: "readonly" } },
  },
]);
