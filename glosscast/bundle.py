"""The bundle: a folder with everything a service needs to recognise, and nothing it must guess.

`manifest.json`, `model.onnx`, `golden.npz` (an input and its output), `report.json` and `MODEL_CARD.md`. A bundle is
checked when it is loaded: unknown or missing manifest keys and missing or changed files are refused by name.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from glosscast.clip import ClipSpec
from glosscast.decoding import DecoderSettings
from glosscast.faults import first_fault
from glosscast.keypoints import CHANNELS, POINTS
from glosscast.segmentation import SegmenterSettings
from glosscast.vocabulary import Vocabulary

MANIFEST, MODEL, GOLDEN, REPORT, MODEL_CARD = (
    "manifest.json",
    "model.onnx",
    "golden.npz",
    "report.json",
    "MODEL_CARD.md",
)
FILES = (MODEL, GOLDEN, REPORT, MODEL_CARD)  # what every bundle has; the manifest holds the hash of each
EMBEDDED = Path(__file__).parent / "bundles" / "asl_demo"


class BundleError(ValueError):
    """A bundle is damaged or not one; the message names the file and the field."""


ModelT = TypeVar("ModelT", bound=BaseModel)
Precision = Literal["fp32", "bf16", "int8"]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TensorSpec(_Part):
    """A named input or output of the graph; "batch" stands for the free dimension."""

    name: str
    shape: tuple[int | Literal["batch"], ...]


class VisualStream(_Part):
    """What SlowFast looks at: heatmaps rendered from keypoints, `size` pixels a side, or nothing."""

    kind: Literal["pose", "none"]
    size: int = Field(ge=0)


class KeypointSpec(_Part):
    """How the keypoints of a window are laid out and normalised, and which extractor the training data came from.

    Attributes:
        layout: `glosscast.keypoints.LAYOUT`.
        normalisation: `glosscast.keypoints.NORMALISATION`.
        extractor: name and version.
        models: sha256 of each model by file name, where the extractor's version does not say it.
    """

    layout: Literal["holistic-171"]
    normalisation: Literal["mid-shoulder-per-window"]
    extractor: str
    models: dict[str, Sha256] = {}


class Manifest(_Part):
    """Everything about a bundle that is not weights.

    Attributes:
        precision: what the graph is computed in. "int8" is in the graph itself, "bf16" is asked of the provider.
    """

    schema_version: Literal[1]
    name: str = Field(min_length=1)
    version: str = Field(min_length=1)
    task: Literal["isolated"]
    precision: Precision = "fp32"
    clip: ClipSpec
    visual: VisualStream
    keypoints: KeypointSpec
    vocabulary: tuple[str, ...] = Field(min_length=2)
    no_sign: str | None
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    segmenter: SegmenterSettings
    decoder: DecoderSettings
    opset: int = Field(gt=0)
    git_commit: str
    files: dict[str, Sha256]

    @model_validator(mode="after")
    def _is_consistent(self) -> "Manifest":
        Vocabulary(self.vocabulary, self.no_sign)
        frames = self.clip.frames
        expected = {
            "inputs": (("keypoints", ("batch", frames, POINTS, CHANNELS)), ("mask", ("batch", frames))),
            "outputs": (("logits", ("batch", len(self.vocabulary))),),
        }
        for field, tensors in expected.items():
            known = {t.name: t.shape for t in getattr(self, field)}
            for name, shape in tensors:
                if known.get(name) != shape:
                    raise ValueError(f"{field}: {name} must be {shape}, the manifest says {known.get(name)}")
        absent = set(FILES) - set(self.files)
        if absent:
            raise ValueError(f"files: no hash for {', '.join(sorted(absent))}")
        return self


class GlossReport(_Part):
    """What is known about one gloss.

    Attributes:
        signers: how many signers the model learned it from.
        accuracy: share recognised on signers left out of training, or None where that was not measured.
        clips: number of clips behind that figure.
    """

    signers: int = Field(ge=0)
    accuracy: float | None = Field(default=None, ge=0, le=1)
    clips: int = Field(default=0, ge=0)


class ConfusablePair(_Part):
    """Two glosses that the model tends to take for each other; similarity 0..1."""

    glosses: tuple[str, str]
    similarity: float = Field(ge=0, le=1)


class Report(_Part):
    """`report.json`: how good the bundle is, as far as it was measured."""

    metrics: dict[str, float]
    glosses: dict[str, GlossReport]
    confusable: tuple[ConfusablePair, ...]

    def confusable_with(self, gloss: str) -> list[str]:
        """Glosses easily taken for this one, the most similar first."""
        pairs = sorted((p for p in self.confusable if gloss in p.glosses), key=lambda p: -p.similarity)
        return [other for pair in pairs for other in pair.glosses if other != gloss]


@dataclass(frozen=True, eq=False)
class Bundle:
    """A checked bundle."""

    path: Path
    manifest: Manifest
    report: Report
    vocabulary: Vocabulary

    @property
    def id(self) -> str:
        """Name and version, as the API gives them: "asl-demo@1"."""
        return f"{self.manifest.name}@{self.manifest.version}"

    @property
    def model_path(self) -> Path:
        """The ONNX file."""
        return self.path / MODEL

    def golden(self) -> dict[str, NDArray[np.float32]]:
        """The golden pair: arrays `keypoints` and `mask` (1, …) and the `logits` (1, classes) they must give.

        Raises:
            BundleError: not an .npz of these arrays, or their shapes are not the manifest's.
        """
        specs = (*self.manifest.inputs, *self.manifest.outputs)
        expected = {t.name: (1, *t.shape[1:]) for t in specs if t.name in ("keypoints", "mask", "logits")}
        try:
            with np.load(self.path / GOLDEN, allow_pickle=False) as file:
                arrays = {name: np.asarray(file[name], np.float32) for name in expected}
        except (ValueError, OSError, EOFError, TypeError, AttributeError, KeyError, BadZipFile) as error:
            raise BundleError(f"{self.path / GOLDEN}: not an .npz of {', '.join(expected)}") from error
        for name, array in arrays.items():
            if array.shape != expected[name]:
                raise BundleError(f"{self.path / GOLDEN}: {name} must be {expected[name]}, it is {array.shape}")
        return arrays


def load_bundle(path: Path = EMBEDDED) -> Bundle:
    """Load and check a bundle folder.

    Raises:
        BundleError: a file is missing, changed or malformed, or the manifest has an unknown, missing or wrong field.
    """
    manifest = _parse(path / MANIFEST, Manifest)
    for name, expected in manifest.files.items():
        file = path / name
        if Path(name).name != name:
            raise BundleError(f"{path / MANIFEST}: files: {name!r} is not a plain file name")
        if not file.is_file():
            if name not in FILES:  # kept beside the bundle for training on, and left out where it is only served
                continue
            raise BundleError(f"{file}: missing")
        if sha256(file) != expected:
            raise BundleError(f"{file}: its sha256 is not the manifest's; the file is damaged or was changed")
    report = _parse(path / REPORT, Report)
    if set(report.glosses) != set(manifest.vocabulary):
        raise BundleError(f"{path / REPORT}: glosses: not those of the vocabulary")
    if not {gloss for pair in report.confusable for gloss in pair.glosses} <= set(manifest.vocabulary):
        raise BundleError(f"{path / REPORT}: confusable: names a gloss that is not in the vocabulary")
    return Bundle(path, manifest, report, Vocabulary(manifest.vocabulary, manifest.no_sign))


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _parse(path: Path, model: type[ModelT]) -> ModelT:
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        return model.model_validate(content)
    except FileNotFoundError:
        raise BundleError(f"{path}: missing") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BundleError(f"{path}: not readable as JSON") from error
    except ValidationError as error:
        raise BundleError(f"{path}: {first_fault(error)}") from error
