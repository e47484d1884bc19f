/** The live view: camera, stream, captions and what the person is told about them. */

import { askForKey, openStream } from "./access.js";
import { CameraError, FrameGrabber, closeCamera, openCamera, watchPermission } from "./camera.js";
import { byId } from "./dom.js";
import { drawIcon } from "./icons.js";
import { BANNERS, NOTICES } from "./messages.js";
import { Overlay } from "./overlay.js";
import { StreamClient, streamUrl } from "./protocol.js";

const START = { type: "start", input: "frames", interim: true, top_k: 3, landmarks: true };
const SLOW_NOTICE_MS = 6000;
const PROBLEM_ICONS = new Set(["camera-off", "offline"]);
const HINTS = {
  welcome: "Captions appear here",
  asking: "Captions appear here",
  connecting: "Captions appear here",
  running: "Sign something",
  waiting: "Captions go on once the connection is back",
};

export class Live {
  /** @param {import("./captions.js").Captions} captions */
  constructor(captions) {
    this.captions = captions;
    this.stage = byId("stage");
    this.video = byId("self");
    this.overlay = new Overlay(byId("overlay"));
    this.grabber = new FrameGrabber(this.video, {
      canTake: () => this.client?.canSend ?? false,
      onFrame: (tMs, image) => this.client?.sendFrame(tMs, image),
    });
    this.run = 0; // counts starts and stops, so that a late answer of an earlier one is noticed
    this.#listen();
    this.#show("welcome");
  }

  get active() {
    return ["asking", "connecting", "running", "waiting"].includes(this.state);
  }

  async start() {
    const run = ++this.run;
    this.#show("asking");
    try {
      const stream = await openCamera();
      if (run !== this.run) return closeCamera(stream);
      await this.#showCamera(stream);
    } catch (error) {
      if (run === this.run) this.stop(error instanceof CameraError ? error.reason : "camera_failed");
      return;
    }
    if (run !== this.run) return;
    this.client = new StreamClient({
      url: streamUrl(document.baseURI),
      start: START,
      connect: openStream,
      onMessage: (message) => this.#receive(message, run),
      onState: (state) => run === this.run && this.#follow(state),
    });
    this.client.start();
  }

  /** Turn the camera off and say why; `reason` names a notice. */
  stop(reason) {
    const hadFocus = this.stage.contains(document.activeElement);
    this.run++;
    this.stoppedRun = this.run; // finals of the sign under way still arrive
    this.grabber.stop();
    this.client?.stop();
    closeCamera(this.video.srcObject);
    this.video.srcObject = null;
    this.overlay.clear();
    this.captions.dropInterim();
    this.#show(reason);
    if (hadFocus && !byId("notice-action").hidden) byId("notice-action").focus();
  }

  #listen() {
    byId("start").addEventListener("click", () => this.start());
    byId("pause").addEventListener("click", () => this.stop("paused"));
    byId("notice-action").addEventListener("click", () => this.#act());
    byId("banner-action").addEventListener("click", () => this.client.retryNow());
    byId("skeleton").addEventListener("change", ({ target }) => this.overlay.setVisible(target.checked));
    document.addEventListener("visibilitychange", () => document.hidden && this.active && this.stop("away"));
    window.addEventListener("pagehide", () => this.active && this.stop("away"));
    watchPermission((state) => state !== "denied" && this.state === "denied" && this.#show("welcome"));
  }

  /** What the button of a notice does. */
  async #act() {
    if (this.state === "disagree") location.reload();
    else if (this.state !== "unauthorised" || (await askForKey())) this.start();
  }

  async #showCamera(stream) {
    for (const track of stream.getVideoTracks()) {
      track.addEventListener("ended", () => this.video.srcObject === stream && this.stop("camera_lost"));
    }
    this.video.srcObject = stream;
    await this.video.play();
    this.stage.style.setProperty("--aspect", this.video.videoWidth / this.video.videoHeight || 4 / 3);
  }

  #follow(state) {
    if (state.name === "connecting" && this.state !== "waiting") this.#show("connecting");
    if (state.name === "open") {
      this.grabber.start();
      this.#show("running");
    }
    if (state.name === "waiting") {
      this.grabber.stop();
      this.overlay.clear();
      this.captions.dropInterim();
      if (state.reason === "renew") return;
      this.#wait(state.reason, state.delayMs);
    }
    if (state.name === "stopped") this.stop(state.reason === "done" ? "paused" : state.reason);
  }

  #receive(message, run) {
    const current = run === this.run;
    if (message.type === "final" && (current || run === this.stoppedRun - 1)) this.captions.showFinal(message);
    if (!current) return;
    if (message.type === "started") this.grabber.limit(message.limits ?? {});
    if (message.type === "sign_started") this.captions.signStarted();
    if (message.type === "interim") this.captions.showInterim(message);
    if (message.type === "landmarks") this.overlay.draw(message);
    if (message.type === "warning" && message.code === "frames_dropped") this.#showSlow();
  }

  #showSlow() {
    this.grabber.easeOff();
    byId("hint").textContent = "The server is busy: captions come a little late.";
    clearTimeout(this.slowTimer);
    this.slowTimer = setTimeout(() => (byId("hint").textContent = ""), SLOW_NOTICE_MS);
  }

  /** Connection gone: the picture stays, a banner counts down. */
  async #wait(reason, delayMs) {
    const run = this.run;
    const until = performance.now() + delayMs;
    this.#show("waiting", reason);
    clearInterval(this.countdown);
    const tell = () => {
      if (run !== this.run || this.state !== "waiting") return clearInterval(this.countdown);
      const seconds = Math.ceil((until - performance.now()) / 1000);
      byId("banner-body").textContent = `${BANNERS[this.banner].body}${seconds > 0 ? ` in ${seconds} s.` : "…"}`;
    };
    tell();
    this.countdown = setInterval(tell, 500);
    if (reason === "lost" && (await serverStarting()) && run === this.run && this.state === "waiting") {
      this.#show("waiting", "not_ready");
    }
  }

  /** @param {string} state "welcome", "running", "waiting" with the name of a banner, or the name of a notice */
  #show(state, banner = null) {
    this.state = state;
    this.banner = banner;
    this.stage.dataset.state = state;
    const notice = NOTICES[state];
    byId("welcome").hidden = state !== "welcome";
    byId("notice").hidden = !notice;
    byId("banner").hidden = state !== "waiting";
    byId("controls").hidden = !["running", "waiting"].includes(state);
    byId("mirror").hidden = !["running", "waiting", "connecting"].includes(state);
    if (notice) this.#fillNotice(notice);
    if (banner) byId("banner-title").textContent = BANNERS[banner].title;
    byId("banner-action").hidden = banner === "busy"; // it has said when to come back
    byId("hint").textContent = "";
    byId("chip").hidden = !["running", "waiting"].includes(state);
    byId("chip-text").textContent = state === "running" ? "Live" : banner ? BANNERS[banner].chip : "";
    this.captions.setHint(HINTS[state] ?? "");
    if (state === "running" && document.activeElement === document.body) byId("pause").focus({ preventScroll: true });
  }

  #fillNotice({ icon, title, body, action }) {
    drawIcon(byId("notice-icon"), icon);
    byId("notice-title").textContent = title;
    byId("notice-body").textContent = body;
    byId("notice-action").hidden = !action;
    byId("notice-action").textContent = action ?? "";
    byId("notice-clip").hidden = icon !== "camera-off";
    byId("notice").dataset.tone = PROBLEM_ICONS.has(icon) ? "problem" : "calm";
  }
}

/** Whether the server is there but has not loaded its recogniser yet. */
async function serverStarting() {
  try {
    return (await fetch(new URL("readyz", document.baseURI), { cache: "no-store" })).status === 503;
  } catch {
    return false;
  }
}
