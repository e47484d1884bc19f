/** Everything that can go wrong, in plain words with what to do. One place, so that it can be translated. */

/** @import { IconName } from "./icons.js" */

/** @typedef {{icon: IconName, title: string, body: string, action?: string, pictures?: boolean}} Notice */
/** @typedef {keyof typeof notices} NoticeName */
/** @typedef {keyof typeof SENT} SentName */
/** @typedef {keyof typeof BANNERS} BannerName */
/** @typedef {{title: string, body: string, retry?: boolean}} ClipProblem */

/** What leaves the device, said below the picture. */
export const SENT = {
  undecided: "Pictures stay on this device where it is fast enough; its speed is measured first.",
  missing: "Pictures go to the server, are read in memory and thrown away. Privacy mode is not installed on this server.",
  pictures_only: "Pictures go to the server, are read in memory and thrown away. Its signs are read from pictures, so there is no privacy mode.",
  keypoints: "Pictures stay on this device. Only the points of your body and hands are sent.",
  frames: "Pictures go to the server, are read in memory and thrown away.",
  too_slow: "This device is too slow for privacy mode: pictures go to the server, are read in memory and thrown away.",
};

/**
 * The full-size notices of the live view. `action` is the label of the button that starts again, `pictures` whether to offer
 * that the server looks at pictures.
 *
 * @satisfies {Record<string, Notice>}
 */
const notices = {
  asking: {
    icon: "camera",
    title: "Allow the camera",
    body: "Your browser is asking whether this page may use your camera. Choose Allow.",
  },
  preparing: {
    icon: "wait",
    title: "Getting privacy mode ready…",
    body: "Your device will look for your hands by itself, so that no picture has to leave it. The first time this fetches 37 MB; then its speed is measured.",
    pictures: true,
  },
  privacy_failed: {
    icon: "offline",
    title: "Privacy mode does not run here",
    body: "This browser could not find your hands by itself. Your camera is off, and no picture was sent. Try another browser, or let the server look at the pictures.",
    action: "Try again",
    pictures: true,
  },
  connecting: { icon: "wait", title: "Getting ready…", body: "Connecting to the server." },
  paused: {
    icon: "pause",
    title: "Paused",
    body: "Your camera is off. Nothing is being sent.",
    action: "Resume",
  },
  away: {
    icon: "pause",
    title: "Paused while you were away",
    body: "Your camera was turned off when this page went out of sight.",
    action: "Resume",
  },
  idle: {
    icon: "pause",
    title: "Paused",
    body: "No picture came from your camera for a while, so it was turned off. Is it covered or switched off?",
    action: "Resume",
  },
  denied: {
    icon: "camera-off",
    title: "The camera is blocked",
    body: "Open the camera or lock symbol beside the address, allow the camera for this page, and try again. If it is allowed there, look in the privacy settings of your computer or phone.",
    action: "Try again",
  },
  no_camera: {
    icon: "camera-off",
    title: "No camera found",
    body: "Plug in a camera or turn it on, then try again.",
    action: "Try again",
  },
  camera_busy: {
    icon: "camera-off",
    title: "The camera is in use",
    body: "Another program or tab seems to be using it. Close that one, then try again.",
    action: "Try again",
  },
  camera_lost: {
    icon: "camera-off",
    title: "The camera stopped",
    body: "It was unplugged, turned off or taken by another program. Check it, then try again.",
    action: "Try again",
  },
  camera_failed: {
    icon: "camera-off",
    title: "The camera did not start",
    body: "Try again. If that does not help, restart your browser.",
    action: "Try again",
  },
  insecure: {
    icon: "camera-off",
    title: "No camera on this address",
    body: "Browsers give the camera only to pages on https, or on localhost. Open this page at such an address.",
  },
  gone: {
    icon: "offline",
    title: "The server does not answer",
    body: "Your camera is off. Check your network, or ask whoever runs this server, then try again.",
    action: "Try again",
  },
  disagree: {
    icon: "offline",
    title: "This page is out of date",
    body: "The page and the server do not understand each other. Reload the page. If that does not help, tell whoever runs this server.",
    action: "Reload",
  },
  unauthorised: {
    icon: "offline",
    title: "This server wants a key",
    body: "It shows captions to those who have one. Your camera is off.",
    action: "Enter a key",
  },
  not_allowed: {
    icon: "offline",
    title: "This key is not for captions",
    body: "It may be good for reading clips. Ask whoever runs this server for another one. Your camera is off.",
  },
  refused: {
    icon: "offline",
    title: "The server ended the captions",
    body: "Something went wrong on its side. Your camera is off. Try again in a moment.",
    action: "Try again",
  },
};
/** @type {Record<NoticeName, Notice>} */
export const NOTICES = notices;

/** Notices over a running picture, while the page gets back by itself. */
export const BANNERS = {
  lost: { chip: "Reconnecting", title: "Connection lost.", body: "Reconnecting by itself" },
  busy: { chip: "Server busy", title: "All places are taken right now.", body: "Trying again" },
  not_ready: { chip: "Server starting", title: "The server is still getting ready.", body: "Trying again" },
};

/**
 * Errors of a clip upload, by the `code` of the answer.
 *
 * @type {Record<string, ClipProblem>}
 */
const CLIP_PROBLEMS = {
  too_large: {
    title: "This file is too large",
    body: "Cut the clip to the sign itself, or record it at a lower resolution, and try again.",
  },
  out_of_memory: {
    title: "This clip takes too much memory",
    body: "Nothing is known to be wrong with it, but the server cannot decode pictures this large. Export it at 1080p, and try again.",
  },
  unsupported_media: {
    title: "This is not a video Glosscast can open",
    body: "Choose an MP4, MOV, WebM, AVI or MKV file.",
  },
  undecodable: {
    title: "This video cannot be read",
    body: "The file seems to be damaged, incomplete or empty. If it plays on your device, export it again as MP4.",
  },
  too_long: {
    title: "This clip is too long",
    body: "Cut it to the sign itself. A few seconds are plenty.",
  },
  no_signer: {
    title: "Nobody to be seen",
    body: "Glosscast found no person in this clip. Film from head to waist, in good light, with the hands in the picture.",
  },
  not_authenticated: {
    title: "This server wants a key",
    body: "It reads clips for those who have one. Ask whoever runs it.",
    retry: true,
  },
  not_allowed: {
    title: "This key is not for clips",
    body: "It may be good for captions. Ask whoever runs this server for another one.",
  },
  too_many_requests: {
    title: "The server is busy",
    body: "It is reading other clips right now, or was asked too often.",
    retry: true,
  },
  upload_timeout: {
    title: "Sending took too long",
    body: "Your connection seems slow. Try again, or cut the clip to the sign itself.",
    retry: true,
  },
  not_ready: {
    title: "The server is still getting ready",
    body: "This takes a moment after it was started. Try again shortly.",
    retry: true,
  },
  network: {
    title: "The server does not answer",
    body: "Check your network, or ask whoever runs this server, then try again.",
    retry: true,
  },
  unknown: {
    title: "Something went wrong",
    body: "The server could not read this clip. Try again, or try another one.",
    retry: true,
  },
};

/** @type {Record<number, string|undefined>} */
const BY_STATUS = {
  401: "not_authenticated",
  408: "upload_timeout",
  413: "too_large",
  415: "unsupported_media",
  429: "too_many_requests",
  503: "not_ready",
};

/**
 * The function returns the message about a clip that was not read.
 *
 * @param {number} status HTTP status; 0 where no answer came
 * @param {{code?: string}|null} problem the problem document, if there was one
 * @param {number|null} retryAfterS
 * @returns {Required<ClipProblem> & {code: string}}
 */
export function clipProblem(status, problem, retryAfterS) {
  const byStatus = status === 0 ? "network" : BY_STATUS[status];
  const given = problem?.code ?? "";
  const code = Object.hasOwn(CLIP_PROBLEMS, given) ? given : (byStatus ?? "unknown");
  const found = CLIP_PROBLEMS[code];
  const wait = found.retry && retryAfterS ? ` Try again in ${retryAfterS === 1 ? "a second" : `${retryAfterS} seconds`}.` : "";
  return { code, retry: false, ...found, body: found.body + wait };
}
