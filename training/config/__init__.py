"""The training config: one TOML file, every key checked, unknown keys refused. Nothing here loads torch.

Other packages import the tables from here.
"""

from training.config.augmentation import AugmentationConfig
from training.config.continuous import ContinuousConfig, SentenceConfig
from training.config.corrections import Correction
from training.config.data import DataConfig, Hidden, Role, SetConfig
from training.config.errors import ConfigError
from training.config.losses import (
    AdaptiveConfig,
    ConfusionConfig,
    ContinuousLossConfig,
    FocalConfig,
    LossConfig,
    SentenceAdaptiveConfig,
    SmoothingConfig,
    TripletConfig,
)
from training.config.model import ModelConfig, Stream, Visual
from training.config.optimiser import OptimiserConfig
from training.config.run import CardConfig, Config, Kind, load_config
from training.config.streams import ChunkConfig, CropConfig, StreamConfig

__all__ = [
    "AdaptiveConfig",
    "AugmentationConfig",
    "CardConfig",
    "ChunkConfig",
    "Config",
    "ConfigError",
    "ConfusionConfig",
    "ContinuousConfig",
    "ContinuousLossConfig",
    "Correction",
    "CropConfig",
    "DataConfig",
    "FocalConfig",
    "Hidden",
    "Kind",
    "LossConfig",
    "ModelConfig",
    "OptimiserConfig",
    "Role",
    "SentenceAdaptiveConfig",
    "SentenceConfig",
    "SetConfig",
    "SmoothingConfig",
    "Stream",
    "StreamConfig",
    "TripletConfig",
    "Visual",
    "load_config",
]
