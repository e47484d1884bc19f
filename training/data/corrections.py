"""The clips of a data file that the corrections of a config concern."""

from collections.abc import Sequence

from training.config import Correction
from training.data.example import DataError


def match(
    corrections: Sequence[Correction], file: str, signers: Sequence[str], glosses: Sequence[Sequence[str]]
) -> dict[tuple[int, str], Correction]:
    """The correction of each clip and gloss of a file.

    Args:
        corrections: of this file or of others.
        file: the name of the set's file.
        signers: of all N clips of the file.
        glosses: of all N clips, in order; more than one where clips are sentences.

    Returns:
        (index of the clip, gloss) -> correction.

    Raises:
        DataError: a correction is about no clip, or about a clip that has another signer or gloss; or two corrections
            are about the same.
    """
    found: dict[tuple[int, str], Correction] = {}
    for correction in corrections:
        if correction.file != file:
            continue
        meant = [
            index
            for index, (signer, of_clip) in enumerate(zip(signers, glosses, strict=True))
            if signer == correction.signer and correction.gloss in of_clip
        ]
        if correction.clips is not None:
            if others := sorted(set(correction.clips) - set(meant)):
                raise DataError(f"{file}: {correction.name}: no such clip: {', '.join(map(str, others))}")
            meant = sorted(set(correction.clips))
        if not meant:
            raise DataError(f"{file}: {correction.name}: no such clip in the file")
        for index in meant:
            if (index, correction.gloss) in found:
                raise DataError(f"{file}: {correction.name}: two corrections are about clip {index}")
            found[index, correction.gloss] = correction
    return found
