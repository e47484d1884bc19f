"""Glosscast: sign language recognition from webcam frames, clips or keypoints.

This package is the shared core: numpy, pydantic, ONNX Runtime, MediaPipe and OpenCV, never torch and never a web
framework. `service`, `training` and `export` are built on it.
"""

import os

__version__ = "0.2.0"

# ONNX Runtime's official builds report their use to Microsoft. It reads this at its first import, so it is set at ours.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
