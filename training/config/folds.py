"""The file of a config's folds: which signers and glosses are left out together, and what each fold is for.

Some folds are to choose by and some to report on, so that no figure is of people whom a choice was made on.
"""

import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from glosscast.faults import first_fault
from training.config.errors import ConfigError

Use = Literal["choose", "report"]


class Fold(BaseModel):
    """A `[[fold]]` table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    use: Use = Field(
        description="whether recipes and thresholds may be chosen by its figures, or they are only reported"
    )
    signers: tuple[str, ...] = Field(min_length=1, description="signers who are left out of training and scored")
    glosses: tuple[str, ...] = Field(
        default=(),
        description="glosses outside the vocabulary that are left out too, whoever signs them: unknown signs",
    )


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    fold: tuple[Fold, ...] = Field(min_length=1)


def chosen_folds(named: Sequence[str], path: Path | None, use: Use | None) -> list[Fold]:
    """The folds that a command line asks for: comma-separated signers, or those of a file.

    Raises:
        ConfigError: both are given, or `use` without a file; or as `load_folds`.
    """
    if named and path is not None:
        raise ConfigError("give either --fold or --folds")
    if path is not None:
        return load_folds(path, use)
    if use is not None:
        raise ConfigError("--use goes with --folds")
    return [Fold(use="report", signers=tuple(signers.split(","))) for signers in named]


def load_folds(path: Path, use: Use | None = None) -> list[Fold]:
    """Read a file of folds.

    Args:
        path: a TOML file of `[[fold]]` tables.
        use: of which use; None for all.

    Raises:
        ConfigError: not such a file, a signer is in two folds, or no fold has this use; names the file.
        OSError: it cannot be read.
    """
    try:
        folds = _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))).fold
    except ValidationError as error:
        raise ConfigError(f"{path}: {first_fault(error)}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    twice = sorted(s for s, count in Counter(s for fold in folds for s in fold.signers).items() if count > 1)
    if twice:
        raise ConfigError(f"{path}: in more than one fold: {', '.join(twice)}")
    chosen = [fold for fold in folds if use in (None, fold.use)]
    if not chosen:
        raise ConfigError(f"{path}: no fold is to {use}")
    return chosen
