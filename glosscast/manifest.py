"""`manifest.json`: everything about a bundle that is not weights, and the names of its files."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from glosscast.clip import ClipSpec
from glosscast.decoding import DecoderSettings
from glosscast.keypoints import CHANNELS, POINTS
from glosscast.learned_segmentation import TaggerSettings
from glosscast.lexicon.settings import LexiconSettings
from glosscast.segmentation import SegmenterSettings
from glosscast.sentences.settings import MAX_WINDOW_MS, ChunkReader, ReaderSettings, WindowReader
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
EXAMPLES = "examples.npz"  # a lexicon with one example of each sign that the manifest's `examples` name
LANGUAGE_MODEL = "language_model.npz"  # of glosses, where the manifest's reader has a `language_model`
# The checkpoint beside them is for training on, and left out where a bundle is only served.
NEEDED = (*FILES, SEGMENTER, EXAMPLES, LANGUAGE_MODEL)

Precision = Literal["fp32", "bf16", "int8"]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Part(BaseModel):
    """A part of a bundle's JSON files: frozen, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TensorSpec(Part):
    """A named input or output of the graph; "batch" stands for the free dimension."""

    name: str = Field(description="name of the tensor in the graph")
    shape: tuple[int | Literal["batch"], ...] = Field(description="sizes of the dimensions, the batch first")
    dtype: Literal["float32", "uint8"] = Field(default="float32", description="type of the elements")


class VisualStream(Part):
    """The visual input of SlowFast, `size` pixels a side: pictures, heatmaps rendered from keypoints, or nothing.

    A model of both pictures and heatmaps is "rgb", since the program that runs it must bring pictures.
    """

    kind: Literal["rgb", "pose", "none"] = Field(description="pictures, heatmaps, or nothing")
    size: int = Field(ge=0, description="side of the pictures or heatmaps, pixels; 0 for none")


class KeypointSpec(Part):
    """How the keypoints of a window are laid out and normalised, and which extractor the training data came from."""

    layout: Literal["holistic-171"] = Field(description="layout of the keypoints, `glosscast.keypoints.LAYOUT`")
    normalisation: Literal["mid-shoulder-per-window"] = Field(
        description="normalisation of the keypoints, `glosscast.keypoints.NORMALISATION`"
    )
    extractor: str = Field(
        description='name of the extractor, with its version where the data state it; several are joined by "and"'
    )
    models: dict[str, Sha256] = Field(
        default={},
        description="sha256 of each model of the extractor, by file name, where its version does not fix them",
    )
    face: bool = Field(
        default=True,
        description="whether the model sees the face mesh; where not, none is looked for",
    )


class CtcSpec(Part):
    """How the frame-wise logits of a continuous model are read."""

    blank: int = Field(gt=0, description="index of the CTC blank, which follows the glosses of the vocabulary")
    stride: int = Field(gt=0, description="frames of a window that make one step of the logits")


class ExampleOrigin(Part):
    """Whose recording the example of a sign was made of; the example itself is keypoints alone."""

    gloss: str = Field(description="of the vocabulary")
    source: str = Field(min_length=1, description="where the recording was published, for one a repository")
    licence: str = Field(min_length=1, description="its licence, with the copyright notice where the data state it")


class Manifest(Part):
    """Everything about a bundle that is not weights."""

    schema_version: Literal[1] = Field(description="version of this format")
    name: str = Field(min_length=1, description="name of the bundle")
    version: str = Field(min_length=1, description="version of the bundle")
    task: Literal["isolated", "continuous"] = Field(description="whether the model reads single signs or sentences")
    ctc: CtcSpec | None = Field(
        default=None, description="blank and steps of frame-wise logits; of models with CTC only"
    )
    reader: ReaderSettings | None = Field(
        default=None, description="how sentences are read from a stream; null where single signs are"
    )
    precision: Precision = Field(
        default="fp32", description='precision of the graph: "int8" is in the graph, "bf16" is asked of the provider'
    )
    temperature: float = Field(
        default=1.0, gt=0, description="number by which the graph divides the logits, so that confidence is calibrated"
    )
    background: float = Field(
        default=0.0, description='number that the graph then adds to the logit of "no sign": how common other signs are'
    )
    clip: ClipSpec = Field(description="timing of a window")
    visual: VisualStream = Field(description="what the visual stream looks at")
    keypoints: KeypointSpec = Field(description="layout, normalisation and origin of the keypoints")
    vocabulary: tuple[str, ...] = Field(min_length=2, description="the glosses, in the order of the logits")
    no_sign: str | None = Field(
        description='gloss of the vocabulary that stands for "no sign"; null where there is none'
    )
    inputs: tuple[TensorSpec, ...] = Field(description="inputs of the graph")
    outputs: tuple[TensorSpec, ...] = Field(description="outputs of the graph")
    segmenter: SegmenterSettings = Field(description="limits of the segmenter, and the thresholds of the rule")
    tagger: TaggerSettings | None = Field(
        default=None, description="thresholds of the learned segmenter; null where the bundle segments by rule"
    )
    decoder: DecoderSettings = Field(description="how segments are read")
    lexicon: LexiconSettings | None = Field(
        default=None, description="how taught signs are read; null where none can be taught to the bundle"
    )
    examples: tuple[ExampleOrigin, ...] = Field(
        default=(), description="signs of which examples.npz has an example, to be shown as a moving skeleton"
    )
    opset: int = Field(gt=0, description="version of the ONNX operator set")
    git_commit: str = Field(description="commit of the source that exported the bundle")
    files: dict[str, Sha256] = Field(description="sha256 of each file of the bundle, by name")

    @model_validator(mode="after")
    def _is_consistent(self) -> "Manifest":
        Vocabulary(self.vocabulary, self.no_sign)
        self._check_task()
        self._check_tensors("inputs", self.inputs, self._known_inputs())
        self._check_tensors("outputs", self.outputs, {"logits": TensorSpec(name="logits", shape=self._logits_shape())})
        if self.no_sign is None and (self.decoder.reject or self.tagger):
            raise ValueError("reject and tagger need a no_sign to report instead")
        if self.lexicon is not None and not any(tensor.name == "embedding" for tensor in self.outputs):
            raise ValueError("lexicon: goes with an output embedding")
        shown = [example.gloss for example in self.examples]
        if len(set(shown)) < len(shown) or not set(shown) <= {*self.vocabulary} - {self.no_sign}:
            raise ValueError("examples: one at most for each sign of the vocabulary")
        further = {
            SEGMENTER: self.tagger is not None,
            EXAMPLES: bool(self.examples),
            LANGUAGE_MODEL: self.has_language_model,
        }
        absent = {*FILES, *(name for name, is_needed in further.items() if is_needed)} - set(self.files)
        if absent:
            raise ValueError(f"files: no hash for {', '.join(sorted(absent))}")
        return self

    @property
    def has_language_model(self) -> bool:
        """Whether the bundle has a language model."""
        return isinstance(self.reader, ChunkReader) and self.reader.language_model is not None

    def _check_task(self) -> None:
        """What goes with the task: `ctc` and chunks, or a background class and windows, or neither."""
        if self.task == "isolated":
            if self.ctc is not None or self.reader is not None:
                raise ValueError("ctc and reader go with the task continuous, and with that only")
            return
        if self.reader is None:
            raise ValueError("reader: the task continuous needs one; export the bundle again")
        if self.tagger is not None or self.lexicon is not None:
            raise ValueError("tagger and lexicon are of single signs, and do not go with the task continuous")
        if self.clip.window_ms > MAX_WINDOW_MS:
            raise ValueError(
                f"clip: a stream keeps {MAX_WINDOW_MS:g} ms of frames, and a window has {self.clip.window_ms:g}"
            )
        if isinstance(self.reader, WindowReader):
            if self.ctc is not None:
                raise ValueError("ctc: windows are classified one by one; with CTC, the reader is one of chunks")
            if self.no_sign is None:
                raise ValueError("no_sign: windows need a background class to tell signs apart")
        else:
            self._check_chunks(self.reader)

    def _check_chunks(self, reader: ChunkReader) -> None:
        if self.ctc is None:
            raise ValueError("ctc: the vocabulary has no blank, which chunks are read by")
        if self.ctc.blank != len(self.vocabulary):
            raise ValueError(f"ctc: the blank must follow the {len(self.vocabulary)} glosses, it is {self.ctc.blank}")
        steps, rest = divmod(self.clip.frames, self.ctc.stride)
        if rest:
            raise ValueError(
                f"clip: the {self.clip.frames} frames of a window must be whole steps of {self.ctc.stride} frames"
            )
        if reader.hop + reader.right > steps:
            raise ValueError(
                f"reader: a window has {steps} steps, fewer than hop {reader.hop} and right {reader.right} together"
            )

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
        return ("batch", self.clip.frames // self.ctc.stride, self.ctc.blank + 1)

    def _check_tensors(self, field: str, said: tuple[TensorSpec, ...], known: dict[str, TensorSpec]) -> None:
        by_name = {tensor.name: tensor for tensor in said}
        for name, wanted in known.items():
            found = by_name.get(name)
            if found != wanted:
                is_ = None if found is None else f"{found.shape} {found.dtype}"
                raise ValueError(f"{field}: {name} must be {wanted.shape} {wanted.dtype}, the manifest says {is_}")
        if field == "inputs" and set(by_name) - set(known):
            raise ValueError(f"inputs: {', '.join(sorted(set(by_name) - set(known)))}: unknown inputs")
