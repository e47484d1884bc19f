/**
 * MediaPipe Holistic in a worker of its own, so that the page stays responsive. A classic worker: the package loads its
 * parts with importScripts. WebAssembly is allowed to this file alone, see service/site/security.py.
 *
 * service/web/types/worker.d.ts has its messages.
 */

"use strict";

/** @typedef {import("../types/worker.js").WorkerRequest} WorkerRequest */
/** @typedef {import("../types/worker.js").Parts} Parts */

// MediaPipe on the server takes every frame for a 30th of a second, whatever its pace, and the models learned from what its
// filters made of that: the same here.
const STEP_MS = 33.333;

/** @type {Holistic} */
let holistic;
/** @type {HolisticResults|null} */
let found = null;
let clockMs = 0;

self.onmessage = async (/** @type {MessageEvent<WorkerRequest>} */ { data }) => {
  try {
    const parts = (await answer(data)) ?? {};
    const buffers = Object.values(parts).flatMap((part) => (part ? [part.buffer] : []));
    self.postMessage({ type: "done", ...parts }, buffers);
  } catch (error) {
    self.postMessage({ type: "failed", message: String(error) });
  }
};

/**
 * @param {WorkerRequest} request
 * @returns {Promise<Parts|void>}
 */
async function answer(request) {
  if (request.type === "load") return load(request.folder, request.cpu);
  if (request.type === "frame") return frame(request.image);
  return holistic.reset();
}

/**
 * @param {string} folder where the package lies
 * @param {boolean} cpu whether the graphics card is left alone
 */
async function load(folder, cpu) {
  const locateFile = (/** @type {string} */ name) => folder + name.split("/").pop();
  self.createMediapipeSolutionsPackedAssets = { locateFile }; // in a worker the package does not hand this on itself
  importScripts(`${folder}holistic.js`);
  holistic = new Holistic({ locateFile });
  // The settings of the server, see glosscast/holistic/mediapipe_graph.py.
  const useCpuInference = cpu || !hasGraphicsCard();
  holistic.setOptions(
    { modelComplexity: 1, smoothLandmarks: true, refineFaceLandmarks: false, enableSegmentation: false, useCpuInference });
  holistic.onResults((results) => (found = results));
  await holistic.initialize();
  useWebGl2(holistic.h);
}

/** Graphics that a CPU pretends to have take five times as long as the models' own code for the CPU. */
function hasGraphicsCard() {
  const gl = new OffscreenCanvas(1, 1).getContext("webgl2");
  if (!gl) throw new Error("no WebGL 2");
  const info = gl.getExtension("WEBGL_debug_renderer_info");
  const name = gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER);
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return !/swiftshader|llvmpipe|softpipe|software|basic render/i.test(name);
}

/**
 * In a worker the package makes a context of WebGL 1, in which its models find nobody, and forgets to keep it: give it
 * the one that it makes on a page. The names are those of the pinned version.
 *
 * @param {HolisticSolution} solution
 */
function useWebGl2(solution) {
  const { i: module } = solution;
  solution.m = module.canvas = new OffscreenCanvas(1, 1);
  module.GL.makeContextCurrent(module.GL.createContext(module.canvas, { antialias: false, alpha: false, majorVersion: 2 }));
  solution.K = module.canvas.getContext("webgl2");
}

/**
 * @param {ImageBitmap} image
 * @returns {Promise<Parts>}
 */
async function frame(image) {
  found = null;
  clockMs += STEP_MS;
  await sendAt(clockMs, image);
  image.close();
  const results = /** @type {HolisticResults|null} */ (found); // set by its listener meanwhile
  if (!results) throw new Error("no results");
  return {
    pose: flat(results.poseLandmarks, true),
    left_hand: flat(results.leftHandLandmarks),
    right_hand: flat(results.rightHandLandmarks),
    face: flat(results.faceLandmarks),
  };
}

/**
 * The package asks the clock what time a frame is of.
 *
 * @param {number} tMs
 * @param {ImageBitmap} image
 */
function sendAt(tMs, image) {
  const clock = performance.now;
  performance.now = () => tMs;
  try {
    return holistic.send({ image });
  } finally {
    performance.now = clock;
  }
}

/**
 * x, y, z and presence of each point, which for pose is the visibility; null where the part was not found.
 *
 * @param {HolisticPoint[]|undefined} points
 */
function flat(points, visibility = false) {
  if (!points?.length) return null;
  return Float32Array.from(
    points.flatMap((point) => [point.x, point.y, point.z, visibility ? (point.visibility ?? NaN) : 1]));
}
