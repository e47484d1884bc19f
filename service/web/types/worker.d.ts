/** The messages between holistic.js and holistic-worker.js: the worker answers each request once. */

/** x, y, z and presence of 33, 21, 21 and 468 points; null where a part was not found. */
export type Parts = Record<"pose" | "left_hand" | "right_hand" | "face", Float32Array<ArrayBuffer> | null>;

export type WorkerRequest =
  | { type: "load"; folder: string; cpu: boolean }
  | { type: "frame"; image: ImageBitmap }
  | { type: "reset" };

export type WorkerAnswer = { type: "done" } | ({ type: "done" } & Parts) | { type: "failed"; message: string };
