"""Glosses and their ids."""

from collections.abc import Iterable, Iterator


class Vocabulary:
    """The glosses that a model knows, in the order of its outputs.

    Args:
        glosses: unique, non-empty names.
        no_sign: the one among them that means "hands that say nothing", or None where a model has no such class.

    Raises:
        ValueError: an empty or repeated gloss, or a `no_sign` that is not among them.
    """

    def __init__(self, glosses: Iterable[str], no_sign: str | None = None) -> None:
        self._glosses = tuple(glosses)
        self._ids = {gloss: index for index, gloss in enumerate(self._glosses)}
        self.no_sign = no_sign
        if len(self._ids) != len(self._glosses) or not all(self._glosses):
            raise ValueError("glosses must be unique and not empty")
        if no_sign is not None and no_sign not in self._ids:
            raise ValueError(f"no_sign {no_sign!r} is not in the vocabulary")

    @property
    def no_sign_id(self) -> int | None:
        """The model output of `no_sign`, or None where there is none."""
        return None if self.no_sign is None else self._ids[self.no_sign]

    def __len__(self) -> int:
        return len(self._glosses)

    def __iter__(self) -> Iterator[str]:
        return iter(self._glosses)

    def __contains__(self, gloss: object) -> bool:
        return gloss in self._ids

    def gloss(self, index: int) -> str:
        """The gloss of a model output."""
        return self._glosses[index]

    def id(self, gloss: str) -> int:
        """The model output of a gloss; KeyError where it is unknown."""
        return self._ids[gloss]
