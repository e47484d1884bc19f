/** Record a clip with the camera, for the clip view. */

import { CameraError, closeCamera, openCamera } from "./camera.js";
import { byId } from "./dom.js";
import { label, t } from "./i18n.js";
import { noticeLine } from "./messages.js";

const LONGEST_S = 15; // a sign takes two
const KINDS = ["video/mp4", "video/webm"];

/** The class records a clip for the clip view. */
export class Recorder {
  /** @param {(file: File) => void} onClip */
  constructor(onClip) {
    this.onClip = onClip;
    this.longestS = LONGEST_S;
    /** @type {MediaStream|null} */
    this.stream = null;
    /** @type {MediaRecorder|null} */
    this.recorder = null;
    /** @type {number|undefined} */
    this.timer = undefined;
    const can = "MediaRecorder" in window;
    byId("record-open").hidden = !can;
    byId("record-open").addEventListener("click", () => this.open());
    byId("record-start").addEventListener("click", () => this.#toggle());
    byId("record-cancel").addEventListener("click", () => this.close());
    window.addEventListener("pagehide", () => this.close());
  }

  /** The method turns the camera on and shows it. */
  async open() {
    byId("record-problem").hidden = true;
    try {
      this.stream = await openCamera();
    } catch (error) {
      byId("record-problem").replaceChildren(...noticeLine(error instanceof CameraError ? error.reason : "camera_failed"));
      byId("record-problem").hidden = false;
      return;
    }
    byId("record-video").srcObject = this.stream;
    byId("record").hidden = false;
    byId("drop").hidden = true;
    label(byId("record-start"), "clip.record");
    byId("record-start").focus();
    await byId("record-video").play().catch(() => {});
  }

  /** The method ends the recording and hands it on. */
  finish() {
    if (this.recorder?.state === "recording") this.recorder.stop();
  }

  /** The method turns the camera off; what was recorded is thrown away. */
  close() {
    if (!this.stream) return;
    this.recorder = null; // its data come too late now
    clearInterval(this.timer);
    closeCamera(this.stream);
    this.stream = null;
    byId("record-video").srcObject = null;
    byId("record").hidden = true;
    byId("record-time").textContent = "";
    byId("drop").hidden = false;
  }

  #toggle() {
    if (this.recorder) this.finish();
    else if (this.stream) this.#begin(this.stream);
  }

  /** @param {MediaStream} stream */
  #begin(stream) {
    const mimeType = KINDS.find((type) => MediaRecorder.isTypeSupported(type)); // undefined: the browser chooses
    const recorder = new MediaRecorder(stream, { mimeType });
    /** @type {Blob[]} */
    const parts = [];
    recorder.ondataavailable = ({ data }) => parts.push(data);
    recorder.onstop = () => {
      if (recorder !== this.recorder) return;
      this.close();
      const [type] = (mimeType ?? recorder.mimeType).split(";");
      this.onClip(new File(parts, `recording.${type.slice("video/".length)}`, { type }));
    };
    this.recorder = recorder;
    recorder.start();
    this.#count(performance.now());
    label(byId("record-start"), "clip.record_end");
  }

  /** @param {number} began */
  #count(began) {
    const update = () => {
      const seconds = (performance.now() - began) / 1000;
      byId("record-time").textContent = t("clip.recorded", { s: Math.round(seconds), longest: this.longestS });
      if (seconds >= this.longestS) this.finish();
    };
    update();
    this.timer = setInterval(update, 250);
  }
}
