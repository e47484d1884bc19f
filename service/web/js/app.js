/** Ties the page together: sections, the bundle, and the views. */

import { askForKey, credentials, onKey, useKey } from "./access.js";
import { Captions } from "./captions.js";
import { Correction } from "./correction.js";
import { byId, h } from "./dom.js";
import { examples } from "./examples.js";
import { glossName } from "./glosses.js";
import { History } from "./history.js";
import { current, label, LANGUAGES, onLanguage, use } from "./i18n.js";
import { Lexicon } from "./lexicon.js";
import { Live } from "./live.js";
import { prepareLook } from "./look.js";
import { ModeChoice } from "./mode-choice.js";
import { Modes } from "./modes.js";
import "./options-dialog.js";
import { overlayOptions } from "./overlay-options.js";
import { OverlayPage } from "./overlay-page.js";
import { offerTextSize, Screen } from "./screen.js";
import { Practice } from "./practice.js";
import { Signs } from "./signs.js";
import { Speech } from "./speech.js";
import { Teach } from "./teach.js";
import { Upload } from "./upload.js";

/** @import { BundleDescription } from "../types/messages.js" */
/** @import { Language } from "./i18n.js" */

const VIEWS = /** @type {const} */ (["live", "clip", "teach", "signs", "practice", "privacy"]);
const TABS = /** @type {Record<string, string>} */ ({ practice: "signs" }); // of views that have none of their own
const BUNDLE_RETRY_MS = 4000;

const title = /** @type {HTMLTitleElement} */ (document.querySelector("title"));

// For streaming software: nothing but captions on a transparent page.
const overlay = overlayOptions(location.search, location.hash);
if (overlay?.key) useKey(overlay.key);

const choice = new ModeChoice(new Modes());
const lexicon = new Lexicon();
const signs = new Signs();
const known = () => [...signs.signs, ...lexicon.signs].map(({ gloss }) => gloss);
const captions = new Captions(new History(new Correction(known)));
const live = new Live(captions, choice, lexicon, { staysOn: overlay !== null });
const upload = new Upload(lexicon);
const teach = new Teach(choice, lexicon);
const practice = new Practice(choice, lexicon);
const overlayPage = overlay && new OverlayPage(overlay, captions, choice, live);
if (!overlay) {
  const speech = new Speech();
  captions.onSign(({ gloss }) => live.active && speech.say(glossName(gloss)));
  live.onStopped = () => speech.stop();
  new Screen(byId("stage"), byId("full"));
  new Screen(byId("teach-stage"), byId("teach-full"));
  offerTextSize();
}

/** @param {boolean} moveFocus */
function showView(moveFocus) {
  const name = VIEWS.find((view) => location.hash === `#${view}`) ?? "live";
  if (name !== "live" && live.active) live.stop("paused");
  if (name !== "teach") teach.stop("paused");
  if (name !== "practice") practice.stop("paused");
  if (name !== "clip") {
    byId("preview-video").pause();
    upload.recorder.close();
  }
  for (const other of VIEWS) byId(`view-${other}`).hidden = other !== name;
  const links = /** @type {NodeListOf<HTMLAnchorElement>} */ (document.querySelectorAll(".tabs a"));
  for (const link of links) {
    if (link.hash === `#${TABS[name] ?? name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  label(title, `title.${name}`);
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
    if (overlayPage && !response.ok) return overlayPage.askLater(loadBundle, response.status);
    if (response.status === 401) {
      signs.showFailure(askForKey, "signs.for_keys");
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
  examples.use(bundle);
  practice.useBundle(bundle);
  signs.show(bundle);
  label(byId("tips-known"), "live.knows", { n: signs.signs.length });
  byId("foot-bundle").textContent = `${bundle.name} ${bundle.version}`;
  if ((await offers).lexicons) await lexicon.refresh();
  else lexicon.turnOff();
  overlayPage?.start();
}

/**
 * The function asks what the server has for the page: where what privacy mode runs is, whether it keeps taught signs, and
 * whether it sends captions on. A server that does not say has none of it.
 *
 * @returns {Promise<{holistic?: string|null, lexicons?: boolean, forwards?: boolean}>}
 */
async function askForOffers() {
  try {
    return await (await fetch(new URL("page.json", document.baseURI))).json();
  } catch {
    return {};
  }
}

const offers = askForOffers();
offers.then(({ holistic, forwards }) => {
  choice.usePrivacy(holistic ?? null);
  byId("forwards").hidden = !forwards;
});
label(byId("privacy-leaves"), "privacy.leaves_answer", { host: ` (${location.host})` });
label(byId("kept-where"), "teach.kept_where", { host: ` (${location.host})` });
byId("language").append(...Object.entries(LANGUAGES).map(([value, name]) => h("option", { value, lang: value }, name)));
byId("language").value = current();
byId("language").addEventListener("change", () => use(/** @type {Language} */ (byId("language").value)));
onLanguage(() => (byId("language").value = current())); // it is English where the file of the other could not be fetched
lexicon.onChange(() => {
  const n = lexicon.signs.length;
  byId("signs-taught").hidden = n === 0;
  label(byId("signs-taught"), "signs.and_taught", { n });
});
window.addEventListener("hashchange", () => showView(true));
document.querySelector(".skip")?.addEventListener("click", (event) => {
  event.preventDefault(); // its hash would be taken for a section
  byId("main").focus();
});
prepareLook();
showView(false);
onKey(loadBundle);
loadBundle();
