"""Corrections of labels: clips that are left out of a data set or get another gloss, each with the reason.

A correction file is TOML with one `[[corrections]]` table for each `Correction`. `[data] corrections` names it, or
lists several.
"""

import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Correction(BaseModel):
    """A correction of the labels of one signer's clips of one gloss."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str = Field(min_length=1, description="file of the data set that the clips are in")
    signer: str = Field(min_length=1, description="signer of the clips")
    gloss: str = Field(min_length=1, description="what the clips are called, after language, alias and prefix")
    clips: tuple[int, ...] | None = Field(
        default=None, min_length=1, description="indices in the file; absent: all clips of the signer and gloss"
    )
    to: str | None = Field(default=None, min_length=1, description="what they are called from now on; absent: left out")
    why: str = Field(min_length=1, description="reason for the correction, in one sentence")

    @model_validator(mode="after")
    def _changes_something(self) -> "Correction":
        if self.to == self.gloss:
            raise ValueError(f"it renames {self.gloss} to itself")
        return self

    @property
    def name(self) -> str:
        """Its name in errors."""
        return f"correction of {self.signer}'s {self.gloss}"


def include_corrections(content: dict[str, Any], config: Path) -> None:
    """Put the tables of the correction files in the place of their names, so that a stored config is complete.

    Args:
        content: of a config file; changed where its `[data]` names correction files.
        config: where the config file is, and the correction files beside it.

    Raises:
        ValueError: what should name the files is neither a text nor a list of texts, or a file is not TOML, or holds
            more or less than `corrections`; names the file.
        OSError: one cannot be read.
    """
    data = content.get("data")
    if not isinstance(data, dict) or "corrections" not in data:
        return
    named = data["corrections"]
    names = named if isinstance(named, list) else [named]
    if not all(isinstance(name, str) for name in names):
        raise ValueError(f"{config}: data.corrections must be the name of a file, or a list of them")
    data["corrections"] = [table for name in names for table in _tables(config.parent / name)]


def _tables(path: Path) -> list[Any]:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: not TOML: {error}") from error
    if set(tables) != {"corrections"} or not isinstance(tables["corrections"], list):
        raise ValueError(f"{path}: must hold [[corrections]] tables and nothing else")
    return tables["corrections"]


def from_leave_out(data: dict[str, Any]) -> dict[str, Any]:
    """A stored `[data]` table with corrections in place of `leave_out`, which sets had before there were any."""
    sets, moved = [], []
    for source in data.get("sets", ()):
        if isinstance(source, dict) and "leave_out" in source:
            source = dict(source)
            moved += [
                {"file": source["file"], "signer": signer, "gloss": gloss, "why": "A known fault in the recordings."}
                for signer, glosses in source.pop("leave_out").items()
                for gloss in glosses
            ]
        sets.append(source)
    return {**data, "sets": sets, "corrections": [*data.get("corrections", ()), *moved]}
