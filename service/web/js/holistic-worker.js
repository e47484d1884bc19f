/**
 * MediaPipe Holistic in a worker of its own, so that the page stays responsive. A classic worker: the package loads its
 * parts with importScripts. WebAssembly is allowed to this file alone, see service/site/security.py.
 *
 * In, one at a time: {type: "load", folder, cpu}, {type: "frame", image: ImageBitmap}, {type: "reset"}.
 * Out, one for each: {type: "done"}, {type: "done", pose, left_hand, right_hand, face}, or {type: "failed", message}.
 */

"use strict";

// MediaPipe on the server takes every frame for a 30th of a second, whatever its pace, and the models learned from what its
// filters made of that: the same here.
const STEP_MS = 33.333;

let holistic = null;
let found = null;
let clockMs = 0;

const answers = { load, frame, reset };

self.onmessage = async ({ data }) => {
  try {
    const parts = (await answers[data.type](data)) ?? {};
    self.postMessage({ type: "done", ...parts }, Object.values(parts).filter(Boolean).map(({ buffer }) => buffer));
  } catch (error) {
    self.postMessage({ type: "failed", message: String(error) });
  }
};

async function load({ folder, cpu }) {
  const locateFile = (name) => folder + name.split("/").pop();
  self.createMediapipeSolutionsPackedAssets = { locateFile }; // in a worker the package does not hand this on itself
  importScripts(`${folder}holistic.js`);
  holistic = new Holistic({ locateFile });
  // The settings of the server, see glosscast/holistic/mediapipe_graph.py.
  const options = { modelComplexity: 1, smoothLandmarks: true, refineFaceLandmarks: false, enableSegmentation: false };
  holistic.setOptions({ ...options, useCpuInference: cpu || !hasGraphicsCard() });
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
 */
function useWebGl2(solution) {
  const { i: module } = solution;
  solution.m = module.canvas = new OffscreenCanvas(1, 1);
  module.GL.makeContextCurrent(module.GL.createContext(module.canvas, { antialias: false, alpha: false, majorVersion: 2 }));
  solution.K = module.canvas.getContext("webgl2");
}

async function frame({ image }) {
  found = null;
  clockMs += STEP_MS;
  await sendAt(clockMs, image);
  image.close();
  return {
    pose: flat(found.poseLandmarks, true),
    left_hand: flat(found.leftHandLandmarks),
    right_hand: flat(found.rightHandLandmarks),
    face: flat(found.faceLandmarks),
  };
}

/** The package asks the clock what time a frame is of. */
function sendAt(tMs, image) {
  const clock = performance.now;
  performance.now = () => tMs;
  try {
    return holistic.send({ image });
  } finally {
    performance.now = clock;
  }
}

function reset() {
  holistic.reset();
}

/** x, y, z and presence of each point, which for pose is the visibility; null where the part was not found. */
function flat(points, visibility = false) {
  if (!points?.length) return null;
  return Float32Array.from(points.flatMap((point) => [point.x, point.y, point.z, visibility ? point.visibility : 1]));
}
