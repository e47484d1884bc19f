"""Where data sets lie unless a command names another folder."""

import os
from pathlib import Path

DEFAULT_DATA = Path(__file__).parents[3] / "shared" / "data"


def data_folder() -> Path:
    """The folder of the .npz files that a config names: `$GLOSSCAST_DATA`, or one beside the checkout."""
    return Path(os.environ.get("GLOSSCAST_DATA", DEFAULT_DATA))
