"""How each sign looks: an example made of a clip whose licence lets it be shown, put into a bundle."""

import re
import shutil
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from export.to_onnx import whole_bundle, write_manifest
from glosscast.bundle import Bundle, load_bundle, sha256
from glosscast.clip import Clip
from glosscast.faults import first_fault
from glosscast.keypoints import FACE, PRESENCE, UPPER_BODY, X, Y, Z
from glosscast.lexicon.file import save_lexicon
from glosscast.lexicon.signs import Lexicon, SignExample, TaughtSign
from glosscast.lexicon.similarity import unit
from glosscast.lexicon.teaching import Teacher, TeachingError
from glosscast.manifest import EXAMPLES, MODEL, MODEL_CARD, ExampleOrigin
from glosscast.recogniser import Recogniser
from training.config import Config
from training.data import DataError, Example, load_sets
from training.evaluation.sheets import Strip, draw_sheet

# Steps to which an example is rounded, so that it packs well: shoulder widths of x and y, and of z, which nobody sees.
STEP, DEPTH_STEP, PRESENCE_STEP = 1 / 256, 1 / 64, 1 / 16
SECTION = "## Examples"
CARD = """
{section}

`examples.npz` shows people how these signs look, as points of a body and two hands. The model does not read with it.

| sign | recording | licence |
|---|---|---|
{rows}
"""


class Choice(BaseModel):
    """An `[[examples]]` table: the clip that a person chose to show a sign."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gloss: str = Field(description="as the config calls it")
    file: str = Field(description="one of the config's sets")
    clip: int = Field(ge=0, description="number of the clip in the file, counted from 0")
    frames: tuple[int, int] | None = Field(
        default=None, description="first and last frame of the sign; without them it is found as in a stream"
    )
    source: str = Field(default="", description="where it was published, where the file does not say")
    why: str = Field(min_length=1, description="what is seen in it")


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    examples: tuple[Choice, ...]


@dataclass(frozen=True, eq=False)
class Shown:
    """The example of a sign.

    Attributes:
        clip: which it was made of.
        sign: the keypoints of the sign alone.
        confidence: how sure the bundle is of it, 0..1.
        likeness: cosine of its embedding and the mean of its gloss over signers; None where a person chose it.
    """

    clip: Example
    sign: SignExample
    confidence: float
    likeness: float | None


def load_choices(path: Path) -> dict[str, Choice]:
    """Read a file of choices, by gloss.

    Raises:
        ValueError: not such a file, or a gloss comes twice; names the file.
        OSError: it cannot be read.
    """
    try:
        choices = _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))).examples
    except ValidationError as error:
        raise ValueError(f"{path}: {first_fault(error)}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not TOML: {error}") from error
    by_gloss = {choice.gloss: choice for choice in choices}
    if len(by_gloss) < len(choices):
        raise ValueError(f"{path}: a gloss comes twice")
    return by_gloss


def add_examples(
    bundle_path: Path,
    out: Path,
    config: Config,
    data: Path,
    licences: Sequence[str],
    choices: Mapping[str, Choice],
    sheet: Path | None = None,
) -> tuple[dict[str, Shown], list[str]]:
    """Write a bundle again with an example of each sign; its model stays byte for byte.

    Without a choice the example of a sign is the licensed clip that the bundle reads rightly and surely enough to
    report, and whose embedding is nearest to the mean of the gloss over all signers.

    Args:
        bundle_path: the bundle, with an embedding and numbers of taught signs.
        out: the new bundle's folder; may be the same.
        config: whose sets are looked through, and which says what their glosses are called.
        data: folder of the sets.
        licences: the beginnings of licences under which a clip may be shown.
        choices: of a person, by gloss.
        sheet: a picture of what was taken, for a person to check.

    Returns:
        The examples by gloss, and the signs of which there is none.

    Raises:
        ValueError: the bundle gives no embedding, the data cannot be used, no sign has an example, or a choice is no
            clip of its gloss, may not be shown, or is read as another sign.
        BundleError: the bundle cannot be loaded.
    """
    bundle = load_bundle(bundle_path)
    teacher = Teacher(bundle, Recogniser(bundle).readout)
    glosses = [gloss for gloss in bundle.vocabulary if gloss != bundle.vocabulary.no_sign]
    if unknown := set(choices) - set(glosses):
        raise ValueError(f"no sign of {bundle.id}: {', '.join(sorted(unknown))}")
    clips = [e for e in load_sets(config.data, data, config.model) if e.gloss in glosses]
    shown: dict[str, Shown] = {}
    for gloss in glosses:
        of_gloss = [e for e in clips if e.gloss == gloss]
        chosen = choices.get(gloss)
        found = _nearest(teacher, of_gloss, licences) if chosen is None else _taken(teacher, of_gloss, chosen, licences)
        if found is not None:
            shown[gloss] = found
    if not shown:
        raise ValueError("no sign has a clip that may be shown and that the bundle reads")
    if sheet is not None:
        titles = {g: f"{g}: {s.clip.file} {s.clip.index}, confidence {s.confidence:.0%}" for g, s in shown.items()}
        draw_sheet(bundle.id, [Strip(s.sign.clip, titles[g]) for g, s in shown.items()], sheet)
    origins = tuple(origin_of(gloss, s.clip, config) for gloss, s in shown.items())
    _write(bundle, out, shown, origins)
    return shown, [gloss for gloss in glosses if gloss not in shown]


def _taken(teacher: Teacher, clips: Iterable[Example], choice: Choice, licences: Sequence[str]) -> Shown:
    """The clip that a person chose.

    Raises:
        ValueError: it is none of the gloss, may not be shown, has no such frames, or is read as another sign.
    """
    name = f"{choice.gloss}: clip {choice.clip} of {choice.file}"
    clip = next((e for e in clips if (e.file, e.index) == (choice.file, choice.clip)), None)
    if clip is None:
        raise ValueError(f"{name} is not of this gloss")
    if not clip.licence.startswith(tuple(licences)):
        raise ValueError(f"{name} has another licence: {clip.licence or 'none stated'}")
    found = _shown(teacher, replace(clip, source=choice.source or clip.source), choice.frames)
    if found is None:
        raise ValueError(f"{name} is not read as this sign, or not surely enough to be reported")
    return found


def _nearest(teacher: Teacher, clips: Sequence[Example], licences: Sequence[str]) -> Shown | None:
    """The licensed clip that is most like what all signers sign; None where no such clip is read as its sign."""
    embeddings = defaultdict[str, list[NDArray[np.float32]]](list)
    candidates: list[tuple[Example, NDArray[np.float32]]] = []
    for clip in clips:
        try:
            embedding = teacher.example(clip.clip)[0].embedding
        except TeachingError:
            continue
        embeddings[clip.signer].append(embedding)
        if clip.licence.startswith(tuple(licences)):
            candidates.append((clip, embedding))
    if not candidates:
        return None
    middle = unit(np.mean([np.mean(of_signer, axis=0) for of_signer in embeddings.values()], axis=0))
    for clip, embedding in sorted(candidates, key=lambda c: -float(c[1] @ middle)):
        found = _shown(teacher, clip)
        if found is not None:
            return replace(found, likeness=float(embedding @ middle))
    return None


def _shown(teacher: Teacher, clip: Example, frames: tuple[int, int] | None = None) -> Shown | None:
    """The sign of a clip, cut out; None where what is left is not read as the sign, surely enough to be reported."""
    t_ms = clip.clip.t_ms
    try:
        if frames is None:
            whole, _ = teacher.example(clip.clip)
            inside = (t_ms >= whole.start_ms) & (t_ms <= whole.end_ms)
        else:
            inside = np.isin(np.arange(len(t_ms)), range(frames[0], frames[1] + 1))
        cut = Clip(t_ms[inside] - t_ms[inside][0], clip.clip.keypoints[inside], clip.clip.aspect)
        sign = teacher.reread(_packed(teacher.example_of(cut, 0.0, float(cut.t_ms[-1]))))
    except (TeachingError, IndexError):
        return None
    confidence = float(sign.probabilities[teacher.bundle.vocabulary.id(clip.gloss)])
    if sign.probabilities.max() > confidence or confidence < teacher.bundle.manifest.decoder.reject:
        return None
    return Shown(clip, sign, confidence, None)


def _packed(sign: SignExample) -> SignExample:
    """The example with what is shown of it alone: no face and no legs, and rounded."""
    keypoints = sign.keypoints.astype(np.float32)
    keypoints[:, UPPER_BODY.stop : 33] = keypoints[:, FACE] = 0
    for channel, step in ((X, STEP), (Y, STEP), (Z, DEPTH_STEP), (PRESENCE, PRESENCE_STEP)):
        keypoints[..., channel] = np.round(keypoints[..., channel] / step) * step
    return replace(sign, keypoints=keypoints.astype(np.float16))


def origin_of(gloss: str, clip: Example, config: Config) -> ExampleOrigin:
    """Whose recording an example was made of.

    Raises:
        DataError: nothing says so.
    """
    about = next((source.about for source in config.data.sets if source.file == clip.file), "")
    source = clip.source or about
    if not source:
        raise DataError(f"{clip.file}: nothing says where clip {clip.index} is from")
    return ExampleOrigin(gloss=gloss, source=source, licence=clip.licence.partition(" Permission ")[0])


def _write(bundle: Bundle, out: Path, shown: Mapping[str, Shown], origins: tuple[ExampleOrigin, ...]) -> None:
    """Write the bundle with its examples, and load it as a service would."""
    manifest = bundle.manifest
    with whole_bundle(out) as partial:
        for name in manifest.files:
            if (bundle.path / name).is_file():
                shutil.copyfile(bundle.path / name, partial / name)
        signs = {gloss: TaughtSign(gloss, examples=(found.sign,)) for gloss, found in shown.items()}
        save_lexicon(Lexicon(bundle.id, bundle.id, manifest.files[MODEL], signs), partial / EXAMPLES)
        (partial / EXAMPLES).chmod(0o644)
        card = re.sub(
            rf"\n{SECTION}\n.*?(?=\n## |\Z)", "", (partial / MODEL_CARD).read_text(encoding="utf-8"), flags=re.S
        )
        rows = "\n".join(f"| {origin.gloss} | {origin.source} | {origin.licence} |" for origin in origins)
        (partial / MODEL_CARD).write_text(card + CARD.format(section=SECTION, rows=rows), encoding="utf-8")
        files = {**manifest.files, **{name: sha256(partial / name) for name in (MODEL_CARD, EXAMPLES)}}
        write_manifest(manifest.model_copy(update={"examples": origins, "files": files}), partial)
        load_bundle(partial)
