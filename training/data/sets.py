"""The clips of a config's sets, as the config calls them, and signer-independent splits of them."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from glosscast.clip import Clip
from glosscast.keypoints import POSE, PRESENCE
from training.config import Correction, DataConfig, ModelConfig, Role, SetConfig
from training.data.corrections import match
from training.data.example import DataError, Example
from training.data.frames import frames_path
from training.data.hiding import without
from training.data.npz import load_npz, with_frames
from training.data.sampling import thinned


def load_sets(
    config: DataConfig, folder: Path, model: ModelConfig | None = None, role: Role = "train"
) -> list[Example]:
    """All clips of a config's sets of one role, called as the config says, corrected, and without what it hides.

    Clips without a signer are dropped where the model works on keypoints, and all have pictures where it has an rgb
    stream.

    Args:
        config: the sets.
        folder: where their files are.
        model: the model that they are for; None is for a model of keypoints.
        role: which of the sets.

    Raises:
        DataError: a file cannot be used, or the config names a gloss, language, signer or clip that its set does not
            have.
        FramesError: the pictures are missing or do not belong to the clips.
    """
    examples: list[Example] = []
    for source in config.sets:
        if source.role != role:
            continue
        loaded = load_npz(folder / source.file, source.fps, source.aspect, source.hands_only)
        _check_licences(source, loaded)
        if model is not None and model.frame_size is not None:
            loaded = with_frames(loaded, frames_path(folder / source.file), model.frame_size)
        for example in _labelled(loaded, source, config.corrections):
            if (model is None or model.needs_signer) and not _has_signer(example.clip):
                continue
            if source.licences and not example.licence.startswith(source.licences):
                continue
            if config.distractors or set(example.glosses) <= set(config.vocabulary):
                examples.append(replace(example, clip=without(example.clip, config.hide)))
    return examples


def _labelled(loaded: Sequence[Example], source: SetConfig, corrections: Sequence[Correction]) -> Iterator[Example]:
    """The clips of one file with the glosses that they have in this config, less those that are left out."""
    written = [e.gloss.split() if source.sentences else [e.gloss] for e in loaded]
    if not all(written):
        raise DataError(f"{source.file}: a sentence has no glosses")
    spoken = [
        [_in_language(g, e.language, source) for g in glosses] for e, glosses in zip(loaded, written, strict=True)
    ]
    _check_names(source, loaded, {gloss for glosses in spoken for gloss in glosses})
    called = [[source.alias.get(gloss, source.prefix + gloss) for gloss in glosses] for glosses in spoken]
    wrong = match(corrections, source.file, [e.signer for e in loaded], called)
    for example, before in zip(loaded, called, strict=True):
        changes = {gloss: wrong[example.index, gloss].to for gloss in before if (example.index, gloss) in wrong}
        glosses = [name for gloss in before if (name := changes.get(gloss, gloss)) is not None]
        if len(glosses) == len(before):
            yield replace(
                example,
                gloss=" ".join(glosses),
                share=source.share,
                sentence=tuple(glosses) if source.sentences else (),
                file=source.file,
                renamed_from=" ".join(before) if changes else "",
            )


def _in_language(gloss: str, language: str, source: SetConfig) -> str:
    """A gloss, with its language before it where that is another than the set's, since these are two classes."""
    own = language.lower() in ("", source.language.lower())
    return gloss if own else f"{language.lower()} {gloss}"


def _check_names(source: SetConfig, loaded: Sequence[Example], glosses: Collection[str]) -> None:
    """A misspelt name would change nothing and go unnoticed."""
    if unknown := set(source.alias).difference(glosses):
        raise DataError(f"{source.file}: alias of gloss {', '.join(sorted(unknown))}: not in the file")
    languages = {e.language.lower() for e in loaded} - {""}
    if languages and source.language and source.language.lower() not in languages:
        raise DataError(f"{source.file}: language {source.language}: not in the file")


def _check_licences(source: SetConfig, loaded: Sequence[Example]) -> None:
    """A misspelt licence would leave everything out and go unnoticed."""
    for licence in source.licences:
        if not any(e.licence.startswith(licence) for e in loaded):
            raise DataError(f"{source.file}: licence {licence}: not in the file")


def _has_signer(clip: Clip) -> bool:
    return bool((clip.keypoints[:, POSE, PRESENCE] > 0).any())


class Split(NamedTuple):
    """Clips to learn from, clips whose score is watched, and clips that training never touches."""

    train: list[Example]
    dev: list[Example]
    test: list[Example]


def load_split(config: DataConfig, folder: Path, model: ModelConfig | None = None) -> Split:
    """The clips of a config's sets by role, without the held-out ones; `dev_signers` go from training to dev.

    With `clips_per_signer_gloss`, those to learn from are that many of each signer's gloss at most.

    Raises:
        DataError: as `load_sets`; a held-out or dev signer or a held-out gloss does not occur; nothing is left of a
            role that has sets or signers; or a signer is in training and in dev or test without `shared_signers`.
    """
    every = load_sets(config, folder, model)
    seen, _ = split_by_signer(every, config.held_out)
    if unknown := set(config.held_out_glosses) - {gloss for e in every for gloss in e.glosses}:
        raise DataError(f"held-out glosses not in the data: {', '.join(sorted(unknown))}")
    learned = without_glosses(seen, config.held_out_glosses)
    train, of_signers = split_by_signer(learned, config.dev_signers, "dev signers")
    dev = [*of_signers, *(e for e in load_sets(config, folder, model, "dev") if e.signer not in config.held_out)]
    if config.clips_per_signer_gloss is not None:
        train = thinned(train, config.clips_per_signer_gloss)
    split = Split(train, dev, load_sets(config, folder, model, "test"))
    roles = {source.role for source in config.sets} | ({"dev"} if config.dev_signers else set())
    for role, examples in split._asdict().items():
        if role in roles and not any(set(e.glosses) & set(config.vocabulary) for e in examples):
            raise DataError(f"no clip with a gloss of the vocabulary is left for {role}")
        shared = {e.signer for e in examples} & {e.signer for e in train}
        if role != "train" and shared and not config.shared_signers:
            raise DataError(f"signers both in train and in {role}: {', '.join(sorted(shared))} (see shared_signers)")
    return split


def label_of(gloss: str, classes: Sequence[str], config: DataConfig) -> int:
    """The class that a gloss is learned as: itself, or "no sign" where that is what distractors are learned as."""
    learned = gloss if gloss in classes or config.no_sign is None else config.no_sign
    return classes.index(learned)


def fingerprint(examples: Sequence[Example]) -> str:
    """A hash of clips, their labels and their order."""
    digest = blake2b(digest_size=16)
    for e in examples:
        label = (e.gloss, e.signer, e.share, e.clip.aspect, e.clip.keypoints.shape)
        digest.update(repr(label).encode())
        digest.update(e.clip.t_ms.tobytes())
        digest.update(e.clip.keypoints.tobytes())
    return digest.hexdigest()


def split_by_signer(
    examples: Sequence[Example], held_out: Sequence[str], called: str = "held-out signers"
) -> tuple[list[Example], list[Example]]:
    """Clips of signers to train on, and clips of the held-out signers; `called` names those in errors.

    Raises:
        DataError: a held-out signer does not occur, so the split would not be what the config says.
    """
    unknown = set(held_out) - {e.signer for e in examples}
    if unknown:
        raise DataError(f"{called} not in the data: {', '.join(sorted(unknown))}")
    train = [e for e in examples if e.signer not in held_out]
    return train, [e for e in examples if e.signer in held_out]


def without_glosses(examples: Sequence[Example], held_out: Sequence[str]) -> list[Example]:
    """Clips that show none of the held-out glosses."""
    return [e for e in examples if set(e.glosses).isdisjoint(held_out)]


def classes_of(examples: Sequence[Example], config: DataConfig) -> tuple[str, ...]:
    """The vocabulary, then the distractor glosses in alphabetical order, if they are classes of their own."""
    others = set() if config.background else {gloss for e in examples for gloss in e.glosses} - set(config.vocabulary)
    return (*config.vocabulary, *sorted(others))
