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
from glosscast.crop import CropSpec, SignerCrop
from glosscast.decoding import DecoderSettings
from glosscast.faults import first_fault
from glosscast.keypoints import CHANNELS, POINTS, UNSEEN
from glosscast.learned_segmentation import TaggerSettings, Tagging
from glosscast.segmentation import SegmenterSettings
from glosscast.tagger import load_weights
from glosscast.vocabulary import Vocabulary

MANIFEST, MODEL, GOLDEN, REPORT, MODEL_CARD = (
    "manifest.json",
    "model.onnx",
    "golden.npz",
    "report.json",
    "MODEL_CARD.md",
)
FILES = (MODEL, GOLDEN, REPORT, MODEL_CARD)  # what every bundle has; the manifest holds the hash of each
SEGMENTER = "segmenter.npz"  # weights of the learned segmenter, where the manifest has a `tagger`
NEEDED = (
    *FILES,
    SEGMENTER,
)  # the checkpoint beside them is for training on, and left out where a bundle is only served
EMBEDDED = Path(__file__).parent / "bundles" / "asl_demo"


class BundleError(ValueError):
    """A bundle is damaged or not one; the message names the file and the field."""


Array = NDArray[np.generic]
ModelT = TypeVar("ModelT", bound=BaseModel)
Precision = Literal["fp32", "bf16", "int8"]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TensorSpec(_Part):
    """A named input or output of the graph; "batch" stands for the free dimension."""

    name: str
    shape: tuple[int | Literal["batch"], ...]
    dtype: Literal["float32", "uint8"] = "float32"


class VisualStream(_Part):
    """What SlowFast looks at, `size` pixels a side: pictures, heatmaps rendered from keypoints, or nothing.

    A model of both pictures and heatmaps is "rgb": that is what whoever runs it must bring.
    """

    kind: Literal["rgb", "pose", "none"]
    size: int = Field(ge=0)


class KeypointSpec(_Part):
    """How the keypoints of a window are laid out and normalised, and which extractor the training data came from.

    Attributes:
        layout: `glosscast.keypoints.LAYOUT`.
        normalisation: `glosscast.keypoints.NORMALISATION`.
        extractor: name, and version where the data say it; more than one are joined by "and".
        models: sha256 of each model by file name, where the extractor's version does not say it.
    """

    layout: Literal["holistic-171"]
    normalisation: Literal["mid-shoulder-per-window"]
    extractor: str
    models: dict[str, Sha256] = {}


class CtcSpec(_Part):
    """How the frame-wise logits of a continuous model are read.

    Attributes:
        blank: the class that means "nothing new", after the vocabulary's.
        stride: frames of a window that make one step of the logits; the last step may have fewer.
    """

    blank: int = Field(gt=0)
    stride: int = Field(gt=0)


class Manifest(_Part):
    """Everything about a bundle that is not weights.

    Attributes:
        ctc: of continuous models only.
        precision: what the graph is computed in. "int8" is in the graph itself, "bf16" is asked of the provider.
        temperature: what the graph divides the model's logits by, so that a confidence is the share that is right.
        tagger: of the learned segmenter, where the bundle has one.
    """

    schema_version: Literal[1]
    name: str = Field(min_length=1)
    version: str = Field(min_length=1)
    task: Literal["isolated", "continuous"]
    ctc: CtcSpec | None = None
    precision: Precision = "fp32"
    temperature: float = Field(default=1.0, gt=0)
    clip: ClipSpec
    visual: VisualStream
    keypoints: KeypointSpec
    vocabulary: tuple[str, ...] = Field(min_length=2)
    no_sign: str | None
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    segmenter: SegmenterSettings
    tagger: TaggerSettings | None = None
    decoder: DecoderSettings
    opset: int = Field(gt=0)
    git_commit: str
    files: dict[str, Sha256]

    @model_validator(mode="after")
    def _is_consistent(self) -> "Manifest":
        Vocabulary(self.vocabulary, self.no_sign)
        if (self.task == "continuous") != (self.ctc is not None):
            raise ValueError("ctc: goes with the task continuous, and with that only")
        if self.ctc is not None and self.ctc.blank != len(self.vocabulary):
            raise ValueError(f"ctc: the blank must follow the {len(self.vocabulary)} glosses, it is {self.ctc.blank}")
        self._check_tensors("inputs", self.inputs, self._known_inputs())
        self._check_tensors("outputs", self.outputs, {"logits": TensorSpec(name="logits", shape=self._logits_shape())})
        if self.no_sign is None and (self.decoder.reject or self.tagger):
            raise ValueError("reject and tagger need a no_sign to report instead")
        absent = {*FILES, *([SEGMENTER] if self.tagger else [])} - set(self.files)
        if absent:
            raise ValueError(f"files: no hash for {', '.join(sorted(absent))}")
        return self

    def _known_inputs(self) -> dict[str, TensorSpec]:
        """What the inputs must be, those that a model needs not have left out."""
        frames, rgb = self.clip.frames, self.visual.kind == "rgb"
        mask = TensorSpec(name="mask", shape=("batch", frames))
        keypoints = TensorSpec(name="keypoints", shape=("batch", frames, POINTS, CHANNELS))
        if not rgb:
            return {"keypoints": keypoints, "mask": mask}
        size = self.visual.size
        pictures = TensorSpec(name="frames", shape=("batch", frames, size, size, 3), dtype="uint8")
        beside = {"keypoints": keypoints} if any(t.name == "keypoints" for t in self.inputs) else {}
        return {"frames": pictures, **beside, "mask": mask}

    def _logits_shape(self) -> tuple[int | Literal["batch"], ...]:
        if self.ctc is None:
            return ("batch", len(self.vocabulary))
        return ("batch", -(-self.clip.frames // self.ctc.stride), self.ctc.blank + 1)

    def _check_tensors(self, field: str, said: tuple[TensorSpec, ...], known: dict[str, TensorSpec]) -> None:
        by_name = {tensor.name: tensor for tensor in said}
        for name, wanted in known.items():
            found = by_name.get(name)
            if found != wanted:
                is_ = None if found is None else f"{found.shape} {found.dtype}"
                raise ValueError(f"{field}: {name} must be {wanted.shape} {wanted.dtype}, the manifest says {is_}")
        if field == "inputs" and set(by_name) - set(known):
            raise ValueError(f"inputs: {', '.join(sorted(set(by_name) - set(known)))}: nobody would know what to give")


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


class PrecisionReport(_Part):
    """How a bundle of lower precision reads people that it never saw, against the fp32 one that it was made from.

    Attributes:
        provider: the execution provider it was measured on.
        calibrated: windows of training clips that int8 took its scales from; 0 for bf16.
        clips: how many were read.
        signers: whose they are.
        accuracy_fp32: share read rightly by the fp32 bundle.
        accuracy: share read rightly by this one.
        agreement: share that both read alike.
    """

    provider: str
    calibrated: int = Field(ge=0)
    clips: int = Field(gt=0)
    signers: tuple[str, ...]
    accuracy_fp32: float = Field(ge=0, le=1)
    accuracy: float = Field(ge=0, le=1)
    agreement: float = Field(ge=0, le=1)


class Report(_Part):
    """`report.json`: how good the bundle is, as far as it was measured; `precision` where that is not fp32."""

    metrics: dict[str, float]
    glosses: dict[str, GlossReport]
    confusable: tuple[ConfusablePair, ...]
    precision: PrecisionReport | None = None

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
    tagging: Tagging | None = None

    @property
    def id(self) -> str:
        """Name and version, as the API gives them: "asl-demo@1"."""
        return f"{self.manifest.name}@{self.manifest.version}"

    @property
    def model_path(self) -> Path:
        """The ONNX file."""
        return self.path / MODEL

    @property
    def needs_signer(self) -> bool:
        """Whether the model looks at keypoints, and can say nothing without any."""
        return any(tensor.name == "keypoints" for tensor in self.manifest.inputs)

    @property
    def crop(self) -> CropSpec | None:
        """What the model is shown of a frame; None where it looks at keypoints alone."""
        if self.manifest.visual.kind != "rgb":
            return None
        return CropSpec(self.manifest.visual.size, follow=self.manifest.keypoints.extractor != UNSEEN)

    def new_crop(self) -> SignerCrop | None:
        """What cuts that out of the frames of one stream or clip."""
        return None if self.crop is None else SignerCrop(self.crop)

    def golden(self) -> dict[str, Array]:
        """The golden pair: the manifest's inputs (1, …) by name, and the `logits` (1, …) that they must give.

        Raises:
            BundleError: not an .npz of these arrays, or their shapes are not the manifest's.
        """
        specs = (*self.manifest.inputs, *(t for t in self.manifest.outputs if t.name == "logits"))
        names = ", ".join(t.name for t in specs)
        try:
            with np.load(self.path / GOLDEN, allow_pickle=False) as file:
                arrays: dict[str, Array] = {t.name: np.asarray(file[t.name], t.dtype) for t in specs}
        except (ValueError, OSError, EOFError, TypeError, AttributeError, KeyError, BadZipFile) as error:
            raise BundleError(f"{self.path / GOLDEN}: not an .npz of {names}") from error
        for spec in specs:
            found, wanted = arrays[spec.name].shape, (1, *spec.shape[1:])
            if found != wanted:
                raise BundleError(f"{self.path / GOLDEN}: {spec.name} must be {wanted}, it is {found}")
        return arrays

    def require_servable(self) -> "Bundle":
        """This bundle, if the decoder can read with it: isolated signs.

        Raises:
            BundleError: it cannot; says why.
        """
        if self.manifest.task != "isolated":
            raise BundleError(f"{self.path}: reads sentences; only bundles of isolated signs can be served so far")
        return self


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
            if name not in NEEDED:
                continue
            raise BundleError(f"{file}: missing")
        if sha256(file) != expected:
            raise BundleError(f"{file}: its sha256 is not the manifest's; the file is damaged or was changed")
    report = _parse(path / REPORT, Report)
    if set(report.glosses) != set(manifest.vocabulary):
        raise BundleError(f"{path / REPORT}: glosses: not those of the vocabulary")
    if not {gloss for pair in report.confusable for gloss in pair.glosses} <= set(manifest.vocabulary):
        raise BundleError(f"{path / REPORT}: confusable: names a gloss that is not in the vocabulary")
    return Bundle(path, manifest, report, Vocabulary(manifest.vocabulary, manifest.no_sign), _tagging(path, manifest))


def _tagging(path: Path, manifest: Manifest) -> Tagging | None:
    """The learned segmenter, if the bundle has one."""
    if manifest.tagger is None:
        return None
    try:
        return Tagging(manifest.tagger, load_weights(path / SEGMENTER))
    except ValueError as error:
        raise BundleError(str(error)) from error


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
