/**
 * Everything that can go wrong, with what to do. The words are in `locales`: a notice `name` is `notice.name_title` and
 * `notice.name_body`, a problem with a clip `clip_problem.code_title` and `clip_problem.code_body`.
 */

import { h } from "./dom.js";
import { label } from "./i18n.js";

/** @import { IconName } from "./icons.js" */
/** @import { English } from "./i18n.js" */

/** @typedef {{icon: IconName, action?: "again"|"resume"|"reload"|"key", pictures?: boolean}} Notice */
/** @typedef {keyof typeof notices} NoticeName */
/** @typedef {keyof English["sent"]} SentName what leaves the device, said below the picture */
/** @typedef {"lost"|"busy"|"not_ready"} BannerName over a running picture, while the page gets back by itself */
/** @typedef {keyof typeof CLIP_PROBLEMS} ClipCode */

/**
 * The full-size notices of the live view. `action` is what the button that starts again says, `pictures` whether to offer
 * that the server looks at pictures.
 *
 * @satisfies {Record<string, Notice>}
 */
const notices = {
  asking: { icon: "camera" },
  preparing: { icon: "wait", pictures: true },
  privacy_failed: { icon: "offline", action: "again", pictures: true },
  connecting: { icon: "wait" },
  paused: { icon: "pause", action: "resume" },
  away: { icon: "pause", action: "resume" },
  idle: { icon: "pause", action: "resume" },
  denied: { icon: "camera-off", action: "again" },
  no_camera: { icon: "camera-off", action: "again" },
  camera_busy: { icon: "camera-off", action: "again" },
  camera_lost: { icon: "camera-off", action: "again" },
  camera_failed: { icon: "camera-off", action: "again" },
  insecure: { icon: "camera-off" },
  gone: { icon: "offline", action: "again" },
  disagree: { icon: "offline", action: "reload" },
  unauthorised: { icon: "offline", action: "key" },
  not_allowed: { icon: "offline" },
  refused: { icon: "offline", action: "again" },
};
/** @type {Record<NoticeName, Notice>} */
export const NOTICES = notices;

/**
 * The function makes the one line that says what a notice says.
 *
 * @param {NoticeName} name
 */
export const noticeLine = (name) =>
  [label(h("span"), `notice.${name}_title`), ". ", label(h("span"), `notice.${name}_body`)];

/** Errors of a clip upload, by the `code` of the answer, each with whether to offer to try again. */
const CLIP_PROBLEMS = {
  too_large: false,
  out_of_memory: false,
  unsupported_media: false,
  undecodable: false,
  too_long: false,
  no_signer: false,
  not_authenticated: true,
  not_allowed: false,
  too_many_requests: true,
  upload_timeout: true,
  not_ready: true,
  network: true,
  unknown: true,
};

/** @type {Record<number, ClipCode|undefined>} */
const BY_STATUS = {
  0: "network", // no answer came
  401: "not_authenticated",
  408: "upload_timeout",
  413: "too_large",
  415: "unsupported_media",
  429: "too_many_requests",
  503: "not_ready",
};

/**
 * The function returns which problem it is that a clip was not read for, and whether to offer to try again.
 *
 * @param {number} status HTTP status; 0 where no answer came
 * @param {{code?: string}|null} problem the problem document, if there was one
 * @returns {{code: ClipCode, retry: boolean}}
 */
export function clipProblem(status, problem) {
  const given = problem?.code ?? "";
  const code = Object.hasOwn(CLIP_PROBLEMS, given) ? /** @type {ClipCode} */ (given) : (BY_STATUS[status] ?? "unknown");
  return { code, retry: CLIP_PROBLEMS[code] };
}
