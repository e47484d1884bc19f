/** The camera as a stream to the server: camera, mode, frames and connection, for any view that shows the self-view. */

import { openStream } from "./access.js";
import { CameraError, closeCamera, openCamera } from "./camera.js";
import { FrameGrabber } from "./frames.js";
import { Overlay } from "./overlay.js";
import { StreamClient } from "./protocol.js";
import { Viewfinder } from "./viewfinder.js";
import { streamUrl } from "./wire.js";

/** @import { ServerMessage } from "../types/messages.js" */
/** @import { Hint } from "./framing.js" */
/** @import { Landmarks } from "./figure.js" */
/** @import { NoticeName, SentName } from "./messages.js" */
/** @import { Modes } from "./modes.js" */
/** @import { Fault, RetryReason, StreamState } from "./protocol.js" */
/** @import { Reader } from "./readers.js" */

/** @typedef {"off"|"asking"|"preparing"|"connecting"|"running"|"waiting"} Phase */

/**
 * @typedef {object} Listeners
 * @property {(phase: Exclude<Phase, "off"|"waiting">) => void} onPhase
 * @property {(reason: RetryReason, delayMs: number) => void} onWait the connection broke; the client returns by itself
 * @property {(reason: NoticeName, error: Fault|null) => void} onStop the camera is off
 * @property {(sent: SentName) => void} onSent what leaves the device from now on
 * @property {(stream: MediaStream) => void} onCamera the camera is on
 * @property {(hint: Hint|null) => void} onHint what the person should change about the picture, null for nothing
 * @property {(points: Landmarks, tMs: number) => void} [onPoints] where the signer was at a time, by the clock of the messages
 * @property {(message: ServerMessage) => void} onMessage also gets the finals that come after `stop`
 */

/** The class is one camera that can be turned on and off, with its stream. */
export class CameraStream {
  /**
   * @param {HTMLVideoElement} video
   * @param {HTMLCanvasElement} canvas for the tracking, over the video
   * @param {Modes} modes
   * @param {Listeners} listeners
   */
  constructor(video, canvas, modes, listeners) {
    this.video = video;
    this.modes = modes;
    this.listeners = listeners;
    this.overlay = new Overlay(canvas);
    this.viewfinder = new Viewfinder(video, (hint) => listeners.onHint(hint));
    this.grabber = new FrameGrabber(video, {
      canTake: () => this.client?.canSend ?? false,
      onFrame: (tMs, payload) => this.client?.sendFrame(tMs, payload),
      onError: () => this.#failPrivacy(),
    });
    /** @type {Phase} */
    this.phase = "off";
    this.run = 0; // counts starts and stops, so that a late answer of an earlier one is noticed
    this.stoppedRun = 0;
    /** @type {StreamClient|undefined} */
    this.client = undefined;
    /** @type {Reader|undefined} */
    this.reader = undefined;
    window.addEventListener("online", () => this.client?.online());
  }

  get active() {
    return this.phase !== "off";
  }

  /**
   * The method turns the camera on and opens the stream.
   *
   * @param {string} deviceId of the camera; "" takes the one that faces the person
   * @param {string|null} lexicon the name of the lexicon to read with
   */
  async start(deviceId, lexicon) {
    const run = ++this.run;
    this.#enter("asking");
    try {
      const stream = await openCamera(deviceId);
      if (run !== this.run) return closeCamera(stream);
      await this.#showCamera(stream);
    } catch (error) {
      if (run === this.run) this.stop(error instanceof CameraError ? error.reason : "camera_failed");
      return;
    }
    if (run === this.run) await this.#connect(run, lexicon);
  }

  /**
   * The method turns the camera off.
   *
   * @param {NoticeName} reason
   * @param {Fault|null} error what the server said, where it ended the stream
   */
  stop(reason, error = null) {
    this.run++;
    this.stoppedRun = this.run; // finals of the sign under way still arrive
    this.phase = "off";
    this.grabber.stop();
    this.client?.stop();
    closeCamera(/** @type {MediaStream|null} */ (this.video.srcObject));
    this.video.srcObject = null;
    this.#forgetPoints();
    this.listeners.onStop(reason, error);
  }

  /** @param {Exclude<Phase, "off"|"waiting">} phase */
  #enter(phase) {
    this.phase = phase;
    this.listeners.onPhase(phase);
  }

  /** @param {MediaStream} stream */
  async #showCamera(stream) {
    const { video } = this;
    for (const track of stream.getVideoTracks()) {
      track.addEventListener("ended", () => video.srcObject === stream && this.stop("camera_lost"));
    }
    video.srcObject = stream;
    await video.play();
    video.parentElement?.style.setProperty("--aspect", String(video.videoWidth / video.videoHeight || 4 / 3));
    this.listeners.onCamera(stream);
  }

  /**
   * @param {number} run
   * @param {string|null} lexicon
   */
  async #connect(run, lexicon) {
    /** @type {Reader} */
    let reader;
    try {
      reader = await this.modes.reader(this.video, {
        onPoints: (points) => this.#see(points, this.grabber.lastMs),
        onCheck: () => run === this.run && this.#enter("preparing"),
      });
    } catch {
      if (run === this.run) this.#failPrivacy();
      return;
    }
    if (run !== this.run) return;
    this.reader = reader;
    const slow = reader.input === "frames" && this.modes.wanted === "auto" && this.modes.folder !== null;
    this.listeners.onSent(slow ? "too_slow" : reader.input);
    const earlier = this.client?.session.earlier ?? null;
    this.client = new StreamClient({
      earlier,
      url: streamUrl(document.baseURI),
      start: { ...reader.start(this.video), ...(lexicon === null ? {} : { lexicon }) },
      connect: openStream,
      onMessage: (message) => this.#receive(message, run),
      onState: (state) => run === this.run && this.#follow(state),
    });
    this.client.start();
  }

  /**
   * @param {Landmarks} points of the server, or of this device in privacy mode
   * @param {number} tMs
   */
  #see(points, tMs) {
    if (this.phase !== "running") return;
    this.overlay.draw(points);
    this.viewfinder.see(points);
    this.listeners.onPoints?.(points, tMs);
  }

  #forgetPoints() {
    this.overlay.clear();
    this.viewfinder.clear();
  }

  #failPrivacy() {
    this.modes.drop();
    this.stop("privacy_failed");
  }

  /** @param {StreamState} state */
  #follow(state) {
    if (state.name === "connecting" && this.phase !== "waiting") this.#enter("connecting");
    if (state.name === "open") {
      if (this.reader) this.grabber.start(this.reader);
      this.#enter("running");
    }
    if (state.name === "waiting") {
      this.grabber.stop();
      this.#forgetPoints();
      if (state.reason !== "renew") this.phase = "waiting";
      this.listeners.onWait(state.reason, state.delayMs);
    }
    if (state.name === "stopped") this.stop(state.reason === "done" ? "paused" : state.reason, state.error);
  }

  /**
   * @param {ServerMessage} message
   * @param {number} run of the stream that the message came from
   */
  #receive(message, run) {
    if (run !== this.run) {
      if (message.type === "final" && run === this.stoppedRun - 1) this.listeners.onMessage(message);
      return;
    }
    if (message.type === "started") {
      this.grabber.limit(message.limits ?? {});
      this.reader?.limit(message.limits ?? {});
    }
    if (message.type === "landmarks") this.#see(message, message.t_ms);
    if (message.type === "warning" && message.code !== "tracker_restarted") this.grabber.easeOff();
    this.listeners.onMessage(message);
  }
}
