"""Changes of a lexicon's file by several programs at once: none loses what another has written."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from glosscast.lexicon.file import load_lexicon, partials, save_lexicon
from glosscast.lexicon.signs import Lexicon


class LexiconFile:
    """The file of a lexicon that is changed step by step; it is read again only where somebody else changed it.

    Args:
        path: of the file.
        new: makes the lexicon where there is no file; without it there must be one.
        prepare: applied to what was read, for one to embed it anew.
    """

    def __init__(
        self,
        path: Path,
        new: Callable[[], Lexicon] | None = None,
        prepare: Callable[[Lexicon], Lexicon] = lambda lexicon: lexicon,
    ) -> None:
        self._path = path.resolve()  # what a symbolic link leads to is changed, and not the link
        self._new = new
        self._prepare = prepare
        self._known: tuple[tuple[int, ...] | None, Lexicon] | None = None  # the lexicon of a state of the file

    def read(self) -> Lexicon:
        """The lexicon as it is now.

        Raises:
            LexiconError: `bad_file`.
            OSError: it cannot be read.
        """
        state = self._state()
        if self._known is None or self._known[0] != state:
            if state is None and self._new is not None:
                self._known = state, self._new()
            else:
                self._known = state, self._prepare(load_lexicon(self._path))
        return self._known[1]

    def change(self, change: Callable[[Lexicon], Lexicon]) -> Lexicon:
        """Change the lexicon while nobody else does, and return it as it is stored then.

        Raises:
            LexiconError: as `change` raises it, or `bad_file`; the file stays as it is.
            OSError: it cannot be read or written, for one because the disk is full; the file stays as it is.
        """
        with locked(self._path):
            changed = change(self.read())
            for left in partials(self._path):  # by a process that was killed while it wrote
                with suppress(OSError):
                    left.unlink()
            save_lexicon(changed, self._path)
            self._known = self._state(), changed
        return changed

    def _state(self) -> tuple[int, ...] | None:
        """What differs between two contents of the file; None where there is no file."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file in this block; others wait. It is a file beside it, which stays there.

    Raises:
        OSError: the lock cannot be made; names it.
    """
    import fcntl  # not on Windows, where all other commands run without it

    with path.with_name(f".{path.name}.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
