"""Glosscast: sign language recognition from webcam frames, clips or keypoints.

This package is the shared core: numpy, pydantic, ONNX Runtime, MediaPipe and OpenCV, never torch and never a web
framework. `service`, `training` and `export` are built on it.
"""

__version__ = "0.1.0"
