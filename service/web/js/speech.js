/** Signs spoken aloud by the browser, for hearing people nearby. It is off until it is chosen. */

import { byId, h } from "./dom.js";
import { current, label, onLanguage, t } from "./i18n.js";
import { option } from "./options.js";

export const speak = option("speech", false, [false, true]);
const voiceName = option("voice", "", (value) => typeof value === "string"); // "" chooses one of this device
const rate = option("rate", 1, [0.75, 1, 1.25, 1.5]);

const GLOSS_LANGUAGE = "en"; // glosses are written in English words, whatever the language of the page
const MOST_WAITING = 2; // signs behind the one that is spoken; an older one comes too late to be of use
const LONGEST_MS = 8000; // some browsers never say that a word has been spoken

/** The class speaks one sign after the other, and leaves out those that it would speak too late. */
export class Speech {
  /** @type {string[]} */
  #waiting = [];
  /** @type {SpeechSynthesisUtterance|null} */
  #spoken = null; // kept, since some browsers forget one that nobody holds, and never say that it has ended
  /** @type {number|undefined} */
  #patience = undefined;

  /** @param {SpeechSynthesis|undefined} synthesis */
  constructor(synthesis = window.speechSynthesis) {
    this.synthesis = synthesis;
    /** @type {SpeechSynthesisVoice[]} */
    this.voices = [];
    speak.bind(byId("option-speech"));
    rate.bind(byId("option-rate"));
    voiceName.bind(byId("option-voice"));
    this.#findVoices();
    synthesis?.addEventListener("voiceschanged", () => this.#findVoices()); // they may come late
    onLanguage(() => this.#findVoices());
    for (const chosen of [speak, voiceName]) chosen.follow(() => this.#tell());
    speak.follow((on) => on || this.stop());
  }

  /**
   * The property is the voice to speak with: the chosen one, otherwise one of this device. Voices of others are only used
   * where they are chosen, since they hear the text.
   */
  get voice() {
    const local = this.voices.filter(({ localService }) => localService);
    const fitting = local.filter(({ lang }) => languageOf(lang) === GLOSS_LANGUAGE);
    return this.voices.find(({ voiceURI }) => voiceURI === voiceName.value)
      ?? [...fitting.filter((voice) => voice.default), ...fitting, ...local].at(0)
      ?? null;
  }

  /**
   * The method speaks a sign, where speech is on.
   *
   * @param {string} text
   */
  say(text) {
    if (!speak.value || !this.voice) return;
    this.#waiting = [...this.#waiting, text].slice(-MOST_WAITING);
    if (!this.#spoken) this.#next();
  }

  /** The method is silent at once. */
  stop() {
    this.#waiting = [];
    this.#end();
    this.synthesis?.cancel();
  }

  #next() {
    const text = this.#waiting.shift();
    const { voice } = this;
    if (text === undefined || !voice) return;
    const spoken = new SpeechSynthesisUtterance(text);
    const goOn = () => {
      if (this.#spoken !== spoken) return;
      this.#end();
      this.#next();
    };
    Object.assign(spoken, { voice, lang: voice.lang, rate: rate.value, onend: goOn, onerror: goOn });
    this.#spoken = spoken;
    this.#patience = setTimeout(() => {
      this.synthesis?.cancel();
      goOn();
    }, LONGEST_MS);
    this.synthesis?.speak(spoken);
  }

  #end() {
    this.#spoken = null;
    clearTimeout(this.#patience);
  }

  #findVoices() {
    this.voices = this.synthesis?.getVoices() ?? [];
    const languages = new Intl.DisplayNames([current()], { type: "language" });
    /** @type {Map<string, HTMLElement[]>} */
    const ofLanguage = new Map();
    for (const { name, lang, voiceURI, localService } of this.voices) {
      const language = languages.of(languageOf(lang)) ?? lang;
      const choice = h("option", { value: voiceURI }, localService ? name : t("speech.remote", { name }));
      ofLanguage.set(language, [...(ofLanguage.get(language) ?? []), choice]);
    }
    const groups = [...ofLanguage].sort(([a], [b]) => a.localeCompare(b))
      .map(([language, choices]) => h("optgroup", { label: language }, ...choices));
    byId("option-voice").replaceChildren(h("option", { value: "" }, t("speech.automatic")), ...groups);
    this.#tell();
  }

  /** The method shows what is chosen, whether it can be spoken, and who hears the text. */
  #tell() {
    const { voice } = this;
    const none = this.voices.length === 0;
    const note = none ? "speech.none" : !voice ? "speech.only_remote" : voice.localService ? "speech.local" : "speech.sent";
    label(byId("speech-note"), note);
    byId("speech-note").dataset.tone = note === "speech.local" ? "calm" : "problem";
    byId("option-voice").value = voice && voice.voiceURI === voiceName.value ? voiceName.value : "";
    for (const id of /** @type {const} */ (["option-speech", "option-voice", "option-rate"])) byId(id).disabled = none;
    byId("speech-on").hidden = !speak.value || !voice;
  }
}

/** @param {string} tag such as "en-GB", or "en_GB" on some devices */
const languageOf = (tag) => tag.split(/[-_]/)[0].toLowerCase();
