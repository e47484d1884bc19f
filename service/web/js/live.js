/** The live view: camera, stream, captions and the messages about them. */

import { askForKey, openStream } from "./access.js";
import { CameraError, closeCamera, listCameras, openCamera, watchPermission } from "./camera.js";
import { byId, h } from "./dom.js";
import { FrameGrabber } from "./frames.js";
import { MIN_FPS, Modes } from "./modes.js";
import { Overlay } from "./overlay.js";
import { StreamClient, streamUrl } from "./protocol.js";
import { Stage } from "./stage.js";

/** @import { ServerMessage } from "../types/messages.js" */
/** @import { BannerName, NoticeName } from "./messages.js" */
/** @import { Mode } from "./modes.js" */
/** @import { StreamState } from "./protocol.js" */
/** @import { Reader } from "./readers.js" */

const FIGURES_MS = 1000;
const SLOW_AFTER = 5; // seconds in a row below the pace that signs need

/** The class is the live view: it joins the camera, the stream, the captions and the stage. */
export class Live {
  /**
   * @param {import("./captions.js").Captions} captions
   * @param {{staysOn?: boolean}} options staysOn: the camera goes on while the page is hidden
   */
  constructor(captions, { staysOn = false } = {}) {
    this.captions = captions;
    this.staysOn = staysOn;
    this.video = byId("self");
    this.stage = new Stage(captions);
    this.overlay = new Overlay(byId("overlay"));
    this.modes = new Modes({
      onPoints: (points) => this.stage.state === "running" && this.overlay.draw(points),
      onCheck: () => this.stage.show("preparing"),
    });
    this.grabber = new FrameGrabber(this.video, {
      canTake: () => this.client?.canSend ?? false,
      onFrame: (tMs, payload) => this.client?.sendFrame(tMs, payload),
      onError: () => this.#failPrivacy(),
    });
    this.privacy = /** @type {HTMLOptionElement} */ (byId("mode").querySelector("[value=keypoints]"));
    this.privacyLabel = this.privacy.textContent;
    /** @type {string|null|undefined} */
    this.folder = undefined; // of what privacy mode runs; null: the server has none
    this.picturesOnly = false; // the server's model cannot read points
    this.run = 0; // counts starts and stops, so that a late answer of an earlier one is noticed
    this.stoppedRun = 0;
    /** @type {StreamClient|undefined} */
    this.client = undefined;
    /** @type {Reader|undefined} */
    this.reader = undefined;
    /** @type {number|undefined} */
    this.latencyMs = undefined;
    /** @type {number|undefined} */
    this.figures = undefined;
    this.#listen();
  }

  get active() {
    return ["asking", "preparing", "connecting", "running", "waiting"].includes(this.stage.state);
  }

  /** @param {string|null} folder where Holistic for the browser lies, if the server has it */
  usePrivacy(folder) {
    this.folder = folder;
    this.#offerPrivacy();
  }

  /** @param {string[]} inputs what the server's model can read */
  useInputs(inputs) {
    this.picturesOnly = !inputs.includes("keypoints");
    this.#offerPrivacy();
  }

  async start() {
    const run = ++this.run;
    this.stage.show("asking");
    try {
      const stream = await openCamera(byId("camera").value);
      if (run !== this.run) return closeCamera(stream);
      await this.#showCamera(stream);
    } catch (error) {
      if (run === this.run) this.stop(error instanceof CameraError ? error.reason : "camera_failed");
      return;
    }
    if (run === this.run) await this.#connect(run);
  }

  /**
   * The method turns the camera off and says why.
   *
   * @param {NoticeName} reason
   */
  stop(reason) {
    const hadFocus = this.stage.element.contains(document.activeElement);
    this.run++;
    this.stoppedRun = this.run; // finals of the sign under way still arrive
    this.grabber.stop();
    this.client?.stop();
    closeCamera(/** @type {MediaStream|null} */ (this.video.srcObject));
    this.video.srcObject = null;
    this.overlay.clear();
    this.captions.dropInterim();
    clearInterval(this.figures);
    this.stage.tellFigures([]);
    this.stage.show(reason);
    if (hadFocus && !byId("notice-action").hidden) byId("notice-action").focus();
  }

  #listen() {
    byId("start").addEventListener("click", () => this.start());
    byId("pause").addEventListener("click", () => this.stop("paused"));
    byId("notice-action").addEventListener("click", () => this.#act());
    byId("notice-pictures").addEventListener("click", () => this.#choose("frames"));
    byId("banner-action").addEventListener("click", () => this.client?.retryNow());
    byId("mode").addEventListener("change", () => this.#choose(/** @type {Mode} */ (byId("mode").value)));
    byId("camera").addEventListener("change", () => this.#restart());
    byId("skeleton").addEventListener("change", () => this.overlay.setVisible(byId("skeleton").checked));
    document.addEventListener("visibilitychange", () => document.hidden && !this.staysOn && this.active && this.stop("away"));
    window.addEventListener("pagehide", () => this.active && this.stop("away"));
    watchPermission((state) => state !== "denied" && this.stage.state === "denied" && this.stage.show("welcome"));
  }

  /** @param {Mode} mode */
  #choose(mode) {
    const failed = this.stage.state === "privacy_failed";
    byId("mode").value = this.modes.wanted = mode;
    this.#restart(failed);
  }

  /** The method begins again with what was chosen, where captions run. */
  #restart(evenIfStopped = false) {
    if (!this.active && !evenIfStopped) return;
    if (this.active) this.stop("paused");
    this.start();
  }

  /** The method does what the button of a notice says. */
  async #act() {
    const { state } = this.stage;
    if (state === "disagree") location.reload();
    else if (state !== "unauthorised" || (await askForKey())) this.start();
  }

  /** @param {MediaStream} stream */
  async #showCamera(stream) {
    for (const track of stream.getVideoTracks()) {
      track.addEventListener("ended", () => this.video.srcObject === stream && this.stop("camera_lost"));
    }
    this.video.srcObject = stream;
    await this.video.play();
    const aspect = this.video.videoWidth / this.video.videoHeight || 4 / 3;
    this.stage.element.style.setProperty("--aspect", String(aspect));
    await this.#offerCameras(stream);
  }

  #offerPrivacy() {
    if (this.folder === undefined && !this.picturesOnly) return; // not known yet
    this.modes.folder = this.picturesOnly ? null : this.folder || null;
    const available = this.modes.folder !== null;
    this.privacy.disabled = !available;
    const why = this.picturesOnly ? " (not with these signs)" : " (not installed here)";
    this.privacy.textContent = this.privacyLabel + (available ? "" : why);
    if (!this.active) this.stage.tellSent(available ? "undecided" : this.picturesOnly ? "pictures_only" : "missing");
  }

  /** @param {MediaStream} stream */
  async #offerCameras(stream) {
    const cameras = await listCameras();
    const used = stream.getVideoTracks()[0]?.getSettings().deviceId;
    byId("camera").replaceChildren(...cameras.map(({ deviceId, label }, index) =>
      h("option", { value: deviceId, selected: deviceId === used }, label || `Camera ${index + 1}`)));
    byId("camera-choice").hidden = cameras.length < 2;
  }

  /** @param {number} run */
  async #connect(run) {
    /** @type {Reader} */
    let reader;
    try {
      reader = await this.modes.reader(this.video);
    } catch {
      if (run === this.run) this.#failPrivacy();
      return;
    }
    if (run !== this.run) return;
    this.reader = reader;
    const slow = reader.input === "frames" && this.modes.wanted === "auto" && this.modes.folder !== null;
    this.stage.tellSent(slow ? "too_slow" : reader.input);
    this.client = new StreamClient({
      url: streamUrl(document.baseURI),
      start: reader.start(this.video),
      connect: openStream,
      onMessage: (message) => this.#receive(message, run),
      onState: (state) => run === this.run && this.#follow(state),
    });
    this.client.start();
  }

  #failPrivacy() {
    this.modes.drop();
    this.stop("privacy_failed");
  }

  /** @param {StreamState} state */
  #follow(state) {
    if (state.name === "connecting" && this.stage.state !== "waiting") this.stage.show("connecting");
    if (state.name === "open") {
      if (this.reader) this.grabber.start(this.reader);
      this.stage.show("running");
      this.#watchPace();
    }
    if (state.name === "waiting") {
      this.grabber.stop();
      this.overlay.clear();
      this.captions.dropInterim();
      if (state.reason !== "renew") this.#wait(state.reason, state.delayMs);
    }
    if (state.name === "stopped") this.stop(state.reason === "done" ? "paused" : state.reason);
  }

  /**
   * @param {ServerMessage} message
   * @param {number} run of the stream that the message came from
   */
  #receive(message, run) {
    const current = run === this.run;
    if (message.type === "final" && (current || run === this.stoppedRun - 1)) this.captions.showFinal(message);
    if (!current) return;
    if (message.type === "started") {
      this.grabber.limit(message.limits ?? {});
      this.reader?.limit(message.limits ?? {});
    }
    if (message.type === "sign_started") this.captions.signStarted();
    if (message.type === "interim") this.captions.showInterim(message);
    if (message.type === "final") this.latencyMs = message.latency_ms;
    if (message.type === "landmarks") this.overlay.draw(message);
    if (message.type === "warning" && message.code === "frames_dropped") {
      this.grabber.easeOff();
      this.stage.hint("The server is busy: captions come a little late.");
    }
  }

  /** The method tells the figures once a second, and says so where this device falls behind in privacy mode. */
  #watchPace() {
    let slow = 0;
    clearInterval(this.figures);
    this.figures = setInterval(() => {
      const { input, frameMs = 0 } = this.reader ?? {};
      const { fps } = this.grabber;
      this.stage.tellFigures([
        `${Math.round(fps)} frames a second`,
        frameMs ? `${Math.round(frameMs)} ms for each here` : null,
        this.latencyMs === undefined ? null : `last caption after ${Math.round(this.latencyMs)} ms`,
      ]);
      slow = input === "keypoints" && fps < MIN_FPS - 2 ? slow + 1 : 0;
      if (slow === SLOW_AFTER) this.stage.hint("This device is slow right now: signs may be misread. Close other programs, or choose “Pictures”.");
    }, FIGURES_MS);
  }

  /**
   * The method shows a lost connection: the picture stays, a banner counts down.
   *
   * @param {BannerName} reason
   * @param {number} delayMs
   */
  async #wait(reason, delayMs) {
    const { run } = this;
    this.stage.wait(reason, delayMs);
    if (reason === "lost" && (await serverStarting()) && run === this.run && this.stage.state === "waiting") {
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
