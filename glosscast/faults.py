"""A readable message about data that does not validate."""

from pydantic import ValidationError


def first_fault(error: ValidationError) -> str:
    """The first fault of a file's content, with its place: `clip.fps: Input should be greater than 0`."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"]) or "(whole file)"
    return f"{place}: {first['msg']}"
