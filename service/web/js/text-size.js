/** How large captions are: the person's choice, which this device keeps. */

import { byId } from "./dom.js";
import { option } from "./options.js";

const textSize = option("text_size", "normal", ["small", "normal", "large", "largest"]);

/** The function has captions be as large as the person chose, and offers the choice. */
export function offerTextSize() {
  textSize.bind(byId("text-size"));
  textSize.follow((size) => (document.documentElement.dataset.text = size));
}
