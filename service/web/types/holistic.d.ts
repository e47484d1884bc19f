/**
 * The part of `@mediapipe/holistic` 0.5.1675471629 that holistic-worker.js uses. The one-letter names are those of the
 * minified package.
 */

interface HolisticPoint {
  x: number;
  y: number;
  z: number;
  visibility?: number;
}

interface HolisticResults {
  poseLandmarks?: HolisticPoint[];
  leftHandLandmarks?: HolisticPoint[];
  rightHandLandmarks?: HolisticPoint[];
  faceLandmarks?: HolisticPoint[];
}

interface HolisticFiles {
  locateFile: (name: string) => string;
}

interface HolisticOptions {
  modelComplexity: 0 | 1 | 2;
  smoothLandmarks: boolean;
  refineFaceLandmarks: boolean;
  enableSegmentation: boolean;
  useCpuInference: boolean;
}

/** The package's module of WebAssembly, as Emscripten makes it. */
interface HolisticModule {
  canvas: OffscreenCanvas;
  GL: {
    createContext(canvas: OffscreenCanvas, attributes: WebGLContextAttributes & { majorVersion: number }): number;
    makeContextCurrent(context: number): boolean;
  };
}

interface HolisticSolution {
  i: HolisticModule;
  m: OffscreenCanvas;
  K: WebGL2RenderingContext | null;
}

declare class Holistic {
  constructor(files: HolisticFiles);
  h: HolisticSolution;
  setOptions(options: HolisticOptions): void;
  onResults(listener: (results: HolisticResults) => void): void;
  initialize(): Promise<void>;
  send(input: { image: ImageBitmap }): Promise<void>;
  reset(): void;
}

declare var createMediapipeSolutionsPackedAssets: HolisticFiles;
