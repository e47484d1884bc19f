/** Ties the page together: sections, the bundle, and the views. */

import { askForKey, credentials, onKey } from "./access.js";
import { Captions } from "./captions.js";
import { byId } from "./dom.js";
import { Lexicon } from "./lexicon.js";
import { Live } from "./live.js";
import { ModeChoice } from "./mode-choice.js";
import { Modes } from "./modes.js";
import { Signs } from "./signs.js";
import { Teach } from "./teach.js";
import { Upload } from "./upload.js";

/** @import { BundleDescription } from "../types/messages.js" */

const TITLES = {
  live: "Glosscast: live captions for signing",
  clip: "Read a clip · Glosscast",
  teach: "Teach a sign · Glosscast",
  signs: "Signs it knows · Glosscast",
  privacy: "Privacy · Glosscast",
};
const VIEWS = /** @type {(keyof typeof TITLES)[]} */ (Object.keys(TITLES));
const BUNDLE_RETRY_MS = 4000;

// For streaming software: nothing but captions on a transparent page.
const overlayOnly = new URLSearchParams(location.search).get("overlay") === "1";
document.documentElement.classList.toggle("overlay", overlayOnly);

const captions = new Captions();
const choice = new ModeChoice(new Modes());
const lexicon = new Lexicon();
const live = new Live(captions, choice, lexicon, { staysOn: overlayOnly });
const upload = new Upload(lexicon);
const teach = new Teach(choice, lexicon);
const signs = new Signs();

/** @param {boolean} moveFocus */
function showView(moveFocus) {
  const name = VIEWS.find((view) => location.hash === `#${view}`) ?? "live";
  if (name !== "live" && live.active) live.stop("paused");
  if (name !== "teach") teach.stop("paused");
  if (name !== "clip") {
    byId("preview-video").pause();
    upload.recorder.close();
  }
  for (const other of VIEWS) byId(`view-${other}`).hidden = other !== name;
  const links = /** @type {NodeListOf<HTMLAnchorElement>} */ (document.querySelectorAll(".tabs a"));
  for (const link of links) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = TITLES[name];
  if (!moveFocus) return;
  window.scrollTo(0, 0);
  byId(`${name}-title`).focus({ preventScroll: true });
}

/**
 * The function asks what the server recognises. It asks again while the server cannot be reached, or answers 503 since it
 * still loads its bundle.
 */
async function loadBundle() {
  try {
    const response = await fetch(new URL("v1/bundle", document.baseURI), { headers: credentials() });
    if (response.status === 503) return void setTimeout(loadBundle, BUNDLE_RETRY_MS);
    if (response.status === 401) {
      signs.showFailure(askForKey, "This server shows its signs to those who have a key.");
      return void askForKey();
    }
    if (!response.ok) return void signs.showFailure(loadBundle);
    await useBundle(await response.json());
  } catch {
    signs.showFailure(loadBundle);
    setTimeout(loadBundle, BUNDLE_RETRY_MS); // the network will be back
  }
  return undefined;
}

/** @param {BundleDescription} bundle */
async function useBundle(bundle) {
  captions.noSign = upload.noSign = bundle.no_sign ?? null;
  upload.showLimit(bundle.limits.max_clip_s);
  choice.useInputs(bundle.inputs);
  teach.useBundle(bundle);
  signs.show(bundle);
  byId("tips-count").textContent = `${signs.signs.length} signs`;
  byId("foot-bundle").textContent = `${bundle.name} ${bundle.version}`;
  if ((await offers).lexicons) await lexicon.refresh();
  else lexicon.turnOff();
}

/**
 * The function asks what the server has for the page: where what privacy mode runs is, and whether it keeps taught signs. A
 * server that does not say has neither.
 *
 * @returns {Promise<{holistic?: string|null, lexicons?: boolean}>}
 */
async function askForOffers() {
  try {
    return await (await fetch(new URL("page.json", document.baseURI))).json();
  } catch {
    return {};
  }
}

const offers = askForOffers();
offers.then(({ holistic }) => choice.usePrivacy(holistic ?? null));
for (const id of /** @type {const} */ (["host", "kept-host"])) {
  byId(id).textContent = location.host ? `this server (${location.host})` : "this server";
}
lexicon.onChange(() => {
  const { length } = lexicon.signs;
  byId("signs-taught").hidden = length === 0;
  byId("signs-taught-count").textContent = length === 1 ? "one that you taught" : `${length} that you taught`;
});
window.addEventListener("hashchange", () => showView(true));
document.querySelector(".skip")?.addEventListener("click", (event) => {
  event.preventDefault(); // its hash would be taken for a section
  byId("main").focus();
});
showView(false);
onKey(loadBundle);
Promise.all([loadBundle(), offers]).then(() => (overlayOnly ? live.start() : undefined));
