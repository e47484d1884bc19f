"""How much work a tracker does for a frame: what it looks for, and whether it looks where nothing is new."""

from typing import NamedTuple


class Effort(NamedTuple):
    """The work that a tracker does. By default it does all that MediaPipe does; `serving` leaves out what pays nothing.

    docs/explanation/extraction.md has what each saves and how many glosses stay the same. MediaPipe's package always
    does all of it.

    Attributes:
        face: find the 96 points of the face mesh; where not, they are zeros, as of a face that is not seen.
        outside: look for hands whose place by the pose lies outside the picture.
        rest: look at a frame in which nothing has moved, though the hands rest or nobody is in view.
        exact: compute the model of hands in fp32 as MediaPipe does, and not its middle in int8.
    """

    face: bool = True
    outside: bool = True
    rest: bool = True
    exact: bool = True


FULL = Effort()


def serving(face: bool) -> Effort:
    """The work for streams and clips that are read by a bundle.

    Args:
        face: whether the bundle sees the face mesh; `face` of its manifest's keypoints.
    """
    return Effort(face, outside=False, rest=False, exact=False)
