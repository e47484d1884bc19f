/** The dialog in which the options of the page are chosen; each module binds its own. */

import { byId } from "./dom.js";
import { areKept } from "./options.js";

byId("options-open").addEventListener("click", () => byId("options").showModal());
byId("options").addEventListener("change", () => (byId("options-unkept").hidden = areKept()));
