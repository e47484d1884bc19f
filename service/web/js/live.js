/** The live view: camera, stream, captions and the messages about them. */

import { askForKey } from "./access.js";
import { CameraStream } from "./camera-stream.js";
import { listCameras, watchPermission } from "./camera.js";
import { byId, h } from "./dom.js";
import { label, t } from "./i18n.js";
import { MIN_FPS } from "./modes.js";
import { Share } from "./share.js";
import { Stage } from "./stage.js";

/** @import { ServerMessage } from "../types/messages.js" */
/** @import { Lexicon } from "./lexicon.js" */
/** @import { BannerName, NoticeName } from "./messages.js" */
/** @import { ModeChoice } from "./mode-choice.js" */
/** @import { Fault } from "./protocol.js" */

const FIGURES_MS = 1000;
const SLOW_AFTER = 5; // seconds in a row below the pace that signs need

/** The class is the live view: it joins the stream of the camera, the captions and the stage. */
export class Live {
  /**
   * @param {import("./captions.js").Captions} captions
   * @param {ModeChoice} choice
   * @param {Lexicon} lexicon
   * @param {{staysOn?: boolean}} options staysOn: the camera goes on while the page is hidden
   */
  constructor(captions, choice, lexicon, { staysOn = false } = {}) {
    this.captions = captions;
    this.choice = choice;
    this.lexicon = lexicon;
    this.staysOn = staysOn;
    /** @type {(reason: NoticeName) => void} */
    this.onStopped = () => {}; // hears why the camera was turned off
    this.stage = new Stage(captions);
    this.share = new Share();
    this.stream = new CameraStream(byId("self"), byId("overlay"), choice.modes, {
      onPhase: (phase) => this.#enter(phase),
      onWait: (reason, delayMs) => this.#wait(reason, delayMs),
      onStop: (reason, error) => this.#stopped(reason, error),
      onSent: (sent) => choice.tell(sent),
      onCamera: (stream) => this.#offerCameras(stream),
      onHint: (hint) => this.stage.frame(hint),
      onMessage: (message) => this.#receive(message),
    });
    /** @type {string|null} */
    this.readsWith = null; // the lexicon of the stream
    /** @type {number|undefined} */
    this.latencyMs = undefined;
    /** @type {number|undefined} */
    this.figures = undefined;
    this.#listen();
  }

  get active() {
    return this.stream.active;
  }

  start() {
    this.readsWith = this.lexicon.inUse;
    return this.stream.start(byId("camera").value, this.readsWith);
  }

  /**
   * The method turns the camera off and says why.
   *
   * @param {NoticeName} reason
   */
  stop(reason) {
    this.stream.stop(reason);
  }

  #listen() {
    byId("start").addEventListener("click", () => this.start());
    byId("pause").addEventListener("click", () => this.stop("paused"));
    byId("notice-action").addEventListener("click", () => this.#act());
    byId("notice-pictures").addEventListener("click", () => this.choice.choose("frames"));
    byId("banner-action").addEventListener("click", () => this.stream.client?.retryNow());
    byId("camera").addEventListener("change", () => this.#restart());
    byId("skeleton").addEventListener("change", () => this.stream.overlay.setVisible(byId("skeleton").checked));
    this.choice.onChange(() => this.#restart());
    document.addEventListener("visibilitychange", () => document.hidden && !this.staysOn && this.active && this.stop("away"));
    window.addEventListener("pagehide", () => this.active && this.stop("away"));
    watchPermission((state) => this.#followPermission(state));
    this.lexicon.onChange(() => this.#followLexicon());
  }

  /** The method begins again with what was chosen, where captions run, or would but for privacy mode. */
  #restart() {
    const failed = this.stage.state === "privacy_failed" && !byId("view-live").hidden;
    if (!this.active && !failed) return;
    if (this.active) this.stop("paused");
    this.start();
  }

  /**
   * A camera whose permission is withdrawn ends first, as one that is unplugged does; only then the browser says why.
   *
   * @param {PermissionState} state
   */
  #followPermission(state) {
    if (state === "denied" && (this.active || this.stage.state === "camera_lost")) this.stop("denied");
    if (state !== "denied" && this.stage.state === "denied") this.stage.show("welcome");
  }

  /** The method begins again with the signs that another tab has taught first, or goes on without those that it forgot. */
  #followLexicon() {
    if (this.active && this.readsWith !== this.lexicon.inUse) this.#restart();
  }

  /** The method does what the button of a notice says. */
  async #act() {
    const { state } = this.stage;
    if (state === "disagree") location.reload();
    else if (state !== "unauthorised" || (await askForKey())) this.start();
  }

  /** @param {"asking"|"preparing"|"connecting"|"running"} phase */
  #enter(phase) {
    this.stage.show(phase);
    if (phase === "running") this.#watchPace();
  }

  /**
   * @param {NoticeName} reason
   * @param {Fault|null} error
   */
  async #stopped(reason, error) {
    const hadFocus = this.stage.element.contains(document.activeElement);
    this.captions.dropInterim();
    clearInterval(this.figures);
    this.stage.tellFigures([]);
    this.stage.show(reason);
    this.onStopped(reason);
    if (hadFocus && !byId("notice-action").hidden) byId("notice-action").focus();
    if (error?.code !== "unknown_lexicon") return;
    await this.lexicon.refresh(); // it has been deleted elsewhere
    if (this.lexicon.inUse === null && this.stage.state === reason) this.start();
  }

  /** @param {MediaStream} stream */
  async #offerCameras(stream) {
    const cameras = await listCameras();
    const used = stream.getVideoTracks()[0]?.getSettings().deviceId;
    byId("camera").replaceChildren(...cameras.map(({ deviceId, label: name }, index) => {
      const option = h("option", { value: deviceId, selected: deviceId === used }, name);
      return name ? option : label(option, "live.camera_n", { n: index + 1 });
    }));
    byId("camera-choice").hidden = cameras.length < 2;
  }

  /** @param {ServerMessage} message */
  #receive(message) {
    if (message.type === "started") this.share.use(message.view);
    if (message.type === "sign_started") this.captions.signStarted();
    if (message.type === "interim") this.captions.showInterim(message);
    if (message.type === "final") {
      this.captions.showFinal(message);
      this.latencyMs = message.latency_ms;
    }
    if (message.type === "warning" && message.code === "frames_dropped") {
      this.stage.hint("live.server_busy");
    }
  }

  /** The method tells the figures once a second, and says so where this device falls behind in privacy mode. */
  #watchPace() {
    let slow = 0;
    clearInterval(this.figures);
    this.figures = setInterval(() => {
      const { input, frameMs = 0 } = this.stream.reader ?? {};
      const { fps } = this.stream.grabber;
      this.stage.tellFigures([
        t("live.figure_frames", { n: Math.round(fps) }),
        frameMs ? t("live.figure_frame_ms", { ms: Math.round(frameMs) }) : null,
        this.latencyMs === undefined ? null : t("live.figure_caption_ms", { ms: Math.round(this.latencyMs) }),
      ]);
      slow = input === "keypoints" && fps < MIN_FPS - 2 ? slow + 1 : 0;
      if (slow === SLOW_AFTER) this.stage.hint("live.device_slow");
    }, FIGURES_MS);
  }

  /**
   * The method shows a lost connection: the picture stays, a banner counts down.
   *
   * @param {BannerName|"renew"} reason
   * @param {number} delayMs
   */
  async #wait(reason, delayMs) {
    this.captions.dropInterim();
    if (reason === "renew") return;
    const { run } = this.stream;
    this.stage.wait(reason, delayMs);
    if (reason === "lost" && (await serverStarting()) && run === this.stream.run && this.stage.state === "waiting") {
      this.stage.show("waiting", "not_ready");
    }
  }
}

/** The function tells whether the server is there but has not loaded its recogniser yet. */
async function serverStarting() {
  try {
    return (await fetch(new URL("readyz", document.baseURI), { cache: "no-store" })).status === 503;
  } catch {
    return false;
  }
}
