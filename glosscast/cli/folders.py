"""The clips that the paths of a command line stand for."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ENDINGS = {".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi"}


@dataclass(frozen=True)
class FoundClip:
    """A clip that was found.

    Attributes:
        path: of the file.
        name: its path within the folder that was named, or its file name where the file itself was named.
    """

    path: Path
    name: Path


def is_clip(path: Path) -> bool:
    """Whether a file is a video by its name; hidden ones are not, as those that macOS leaves on memory sticks."""
    return path.suffix.lower() in ENDINGS and not path.name.startswith(".")


def clips_of(path: Path) -> Iterator[FoundClip]:
    """The clip at a path, whatever its name, or those in a folder and the folders inside it, by name."""
    if not path.is_dir():
        yield FoundClip(path, Path(path.name))
        return
    for file in sorted(path.rglob("*")):
        name = file.relative_to(path)
        if is_clip(file) and not any(part.startswith(".") for part in name.parts) and file.is_file():
            yield FoundClip(file, name)


def clips_in(paths: Iterable[Path]) -> tuple[list[FoundClip], list[Path]]:
    """The clips of several paths, each once and in order; and the folders that have none."""
    clips: dict[Path, FoundClip] = {}
    empty = []
    for path in paths:
        found = list(clips_of(path))
        if not found:
            empty.append(path)
        for clip in found:
            clips.setdefault(clip.path, clip)
    return list(clips.values()), empty
