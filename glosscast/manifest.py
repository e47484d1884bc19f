"""`manifest.json`: everything about a bundle that is not weights, and the names of its files."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from glosscast.clip import ClipSpec
from glosscast.decoding import DecoderSettings
from glosscast.keypoints import CHANNELS, POINTS
from glosscast.learned_segmentation import TaggerSettings
from glosscast.segmentation import SegmenterSettings
from glosscast.vocabulary import Vocabulary

MANIFEST, MODEL, GOLDEN, REPORT, MODEL_CARD = (
    "manifest.json",
    "model.onnx",
    "golden.npz",
    "report.json",
    "MODEL_CARD.md",
)
FILES = (MODEL, GOLDEN, REPORT, MODEL_CARD)  # files of every bundle; the manifest holds the hash of each
SEGMENTER = "segmenter.npz"  # weights of the learned segmenter, where the manifest has a `tagger`
# The checkpoint beside them is for training on, and left out where a bundle is only served.
NEEDED = (*FILES, SEGMENTER)

Precision = Literal["fp32", "bf16", "int8"]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Part(BaseModel):
    """A part of a bundle's JSON files: frozen, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TensorSpec(Part):
    """A named input or output of the graph; "batch" stands for the free dimension."""

    name: str
    shape: tuple[int | Literal["batch"], ...]
    dtype: Literal["float32", "uint8"] = "float32"


class VisualStream(Part):
    """The visual input of SlowFast, `size` pixels a side: pictures, heatmaps rendered from keypoints, or nothing.

    A model of both pictures and heatmaps is "rgb", since its user must supply pictures.
    """

    kind: Literal["rgb", "pose", "none"]
    size: int = Field(ge=0)


class KeypointSpec(Part):
    """The layout and normalisation of a window's keypoints, and the extractor of the training data.

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


class CtcSpec(Part):
    """The reading of a continuous model's frame-wise logits.

    Attributes:
        blank: the class that means "nothing new", after the vocabulary's.
        stride: frames of a window that make one step of the logits; the last step may have fewer.
    """

    blank: int = Field(gt=0)
    stride: int = Field(gt=0)


class Manifest(Part):
    """Everything about a bundle that is not weights.

    Attributes:
        ctc: of continuous models only.
        precision: in which the graph is computed. "int8" is in the graph itself, "bf16" is asked of the provider.
        temperature: the graph divides the model's logits by it, so that confidences equal accuracies.
        background: the graph then adds it to the logit of "no sign"; it states how common other signs are.
        tagger: of the learned segmenter, where the bundle has one.
    """

    schema_version: Literal[1]
    name: str = Field(min_length=1)
    version: str = Field(min_length=1)
    task: Literal["isolated", "continuous"]
    ctc: CtcSpec | None = None
    precision: Precision = "fp32"
    temperature: float = Field(default=1.0, gt=0)
    background: float = 0.0
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
        """The inputs that the manifest must have; those that the model does not need are left out."""
        frames = self.clip.frames
        rgb = self.visual.kind == "rgb"
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
            raise ValueError(f"inputs: {', '.join(sorted(set(by_name) - set(known)))}: unknown inputs")
