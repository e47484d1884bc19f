"""A labelled clip, and the fault of a file of clips."""

from dataclasses import dataclass

from glosscast.clip import Clip
from glosscast.holistic import UNSTATED
from glosscast.keypoints import PRESENCE, SHOULDERS
from training.data.frames import Pictures


class DataError(ValueError):
    """A data file is malformed; the message names the file and the fault."""


@dataclass(frozen=True, eq=False)
class Example:
    """A labelled clip.

    Attributes:
        clip: its keypoints.
        gloss: the signed gloss; all of them, joined by spaces, where `sentence` is given.
        signer: by whom.
        share: how often it is drawn, relative to others.
        frames: its pictures, one for each frame, where a model looks at them.
        sentence: the glosses of a clip that shows several, in order.
        extractor: the extractor of the keypoints.
        file: the file that it is from.
        index: its number in that file, counted from 0.
        source: where the recording is from, for one a repository; empty where the file does not say.
        language: the sign language, likewise.
        licence: the licence that the source states, likewise.
        renamed_from: its gloss in the file, where a correction gave it another one.
    """

    clip: Clip
    gloss: str
    signer: str
    share: float = 1.0
    frames: Pictures | None = None
    sentence: tuple[str, ...] = ()
    extractor: str = UNSTATED
    file: str = ""
    index: int = 0
    source: str = ""
    language: str = ""
    licence: str = ""
    renamed_from: str = ""

    @property
    def glosses(self) -> tuple[str, ...]:
        """The signed glosses, in order."""
        return self.sentence or (self.gloss,)

    @property
    def shows_shoulders(self) -> bool:
        """Whether both shoulders are seen in some frame; without them a clip has no place and size."""
        return bool((self.clip.keypoints[:, SHOULDERS, PRESENCE] > 0).all(axis=1).any())
