"""The bundle: a folder with everything that a service needs to recognise signs.

`manifest.json`, `model.onnx`, `golden.npz` (an input and its output), `report.json` and `MODEL_CARD.md`; some have a
learned segmenter and examples of their signs. A bundle is checked when it is loaded: unknown or missing manifest keys
and missing or changed files are refused by name.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from glosscast.crop import CropSpec, SignerCrop
from glosscast.decoding import Classify, Pipeline, Reading, Rule
from glosscast.faults import first_fault
from glosscast.keypoints import UNSEEN
from glosscast.learned_segmentation import Tagging
from glosscast.lexicon.file import load_lexicon
from glosscast.lexicon.signs import LexiconError, SignExample
from glosscast.manifest import EXAMPLES, GOLDEN, LANGUAGE_MODEL, MANIFEST, MODEL, NEEDED, REPORT, SEGMENTER, Manifest
from glosscast.report import Report
from glosscast.sentences.decoder import SentencePipeline
from glosscast.sentences.language_model import LanguageModel, load_language_model
from glosscast.tagger import load_weights
from glosscast.vocabulary import Vocabulary

EMBEDDED = Path(__file__).parent / "bundles" / "asl_demo"
Array = NDArray[np.generic]
ModelT = TypeVar("ModelT", bound=BaseModel)


class BundleError(ValueError):
    """A folder is no bundle, or a damaged one; the message names the file and the field."""


@dataclass(frozen=True, eq=False)
class Bundle:
    """A checked bundle.

    Attributes:
        path: its folder.
        manifest: everything that is not weights.
        report: the figures of its evaluation.
        vocabulary: the glosses.
        tagging: the learned segmenter; None where the bundle segments by rule.
        examples: how signs look, by gloss; not every sign has one.
    """

    path: Path
    manifest: Manifest
    report: Report
    vocabulary: Vocabulary
    tagging: Tagging | None = None
    examples: Mapping[str, SignExample] = field(default_factory=dict)
    language_model: LanguageModel | None = None

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
        """Whether the model needs keypoints, so that it cannot read a clip of nobody."""
        return any(tensor.name == "keypoints" for tensor in self.manifest.inputs)

    @property
    def embedding_size(self) -> int:
        """Size of the embedding that the graph gives of a window; 0 where it gives none."""
        return next((int(t.shape[1]) for t in self.manifest.outputs if t.name == "embedding"), 0)

    @property
    def crop(self) -> CropSpec | None:
        """The crop of a frame that the model gets; None where it looks at keypoints alone."""
        if self.manifest.visual.kind != "rgb":
            return None
        return CropSpec(self.manifest.visual.size, follow=self.manifest.keypoints.extractor != UNSEEN)

    def new_crop(self) -> SignerCrop | None:
        """A new cropper for the frames of one stream or clip; None where the model looks at keypoints alone."""
        return None if self.crop is None else SignerCrop(self.crop)

    def pipeline(self, classify: Classify, rule: Rule | None = None) -> Reading:
        """The way in which the bundle reads signs or sentences.

        Args:
            classify: the loaded model.
            rule: how its readouts become probabilities; None takes those of the vocabulary alone.
        """
        manifest = self.manifest
        if manifest.reader is None:
            return self.sign_pipeline(classify, rule)
        return SentencePipeline(
            manifest.clip,
            manifest.segmenter,
            manifest.decoder,
            manifest.reader,
            classify,
            rule or self._of_vocabulary,
            len(self.vocabulary),
            stride=0 if manifest.ctc is None else manifest.ctc.stride,
            no_sign=self.vocabulary.no_sign_id,
            language_model=self.language_model,
            needs_signer=self.needs_signer,
        )

    def sign_pipeline(self, classify: Classify, rule: Rule | None = None) -> Pipeline:
        """The same for a bundle of single signs; see `require_isolated`."""
        return Pipeline(
            self.manifest.clip,
            self.manifest.segmenter,
            self.manifest.decoder,
            classify,
            tagging=self.tagging,
            no_sign=self.vocabulary.no_sign_id,
            needs_signer=self.needs_signer,
            rule=rule or self._of_vocabulary,
        )

    def _of_vocabulary(self, readout: NDArray[np.float32]) -> NDArray[np.float32]:
        """The probabilities of the vocabulary in a readout."""
        return readout[: len(self.vocabulary)]

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
            found = arrays[spec.name].shape
            wanted = (1, *spec.shape[1:])
            if found != wanted:
                raise BundleError(f"{self.path / GOLDEN}: {spec.name} must be {wanted}, it is {found}")
        return arrays

    def require_isolated(self) -> "Bundle":
        """Return this bundle if it reads single signs.

        Raises:
            BundleError: it reads sentences.
        """
        if self.manifest.task != "isolated":
            raise BundleError(f"{self.path}: reads sentences; this needs a bundle of single signs")
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
    vocabulary = Vocabulary(manifest.vocabulary, manifest.no_sign)
    parts = (_tagging(path, manifest), _examples(path, manifest), _language_model(path, manifest))
    return Bundle(path, manifest, report, vocabulary, *parts)


def _tagging(path: Path, manifest: Manifest) -> Tagging | None:
    """The learned segmenter, if the bundle has one."""
    if manifest.tagger is None:
        return None
    try:
        return Tagging(manifest.tagger, load_weights(path / SEGMENTER))
    except ValueError as error:
        raise BundleError(str(error)) from error


def _examples(path: Path, manifest: Manifest) -> dict[str, SignExample]:
    """The examples that the manifest names, by gloss."""
    if not manifest.examples:
        return {}
    try:
        found = {sign.gloss: sign.examples[0] for sign in load_lexicon(path / EXAMPLES)}
    except LexiconError as error:
        raise BundleError(str(error)) from error
    if set(found) != {example.gloss for example in manifest.examples}:
        raise BundleError(f"{path / EXAMPLES}: not the signs that the manifest's examples name")
    return found


def _language_model(path: Path, manifest: Manifest) -> LanguageModel | None:
    """The language model, if the bundle has one."""
    if not manifest.has_language_model:
        return None
    file = path / LANGUAGE_MODEL
    try:
        return load_language_model(file).for_glosses(manifest.vocabulary)
    except ValueError as error:
        said = str(error)
        raise BundleError(said if str(file) in said else f"{file}: {said}") from error


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
