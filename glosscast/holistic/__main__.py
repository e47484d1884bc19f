"""`python -m glosscast.holistic [FOLDER]`: get the models that LiteRT runs; see `glosscast.holistic.models`."""

import argparse
import sys
from pathlib import Path

from glosscast.holistic.models import MODELS, ModelError, folder, prepare


def main(argv: list[str] | None = None) -> int:
    """Fetch and prepare the models; exit code 2 and one line where that cannot be done."""
    top = argparse.ArgumentParser(
        prog="python -m glosscast.holistic", description="Get the models of MediaPipe Holistic."
    )
    top.add_argument("folder", nargs="?", type=Path, default=folder(), help="default: %(default)s")
    args = top.parse_args(argv)
    try:
        fetched = prepare(args.folder)
    except ModelError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    print(f"{args.folder}: {len(MODELS)} models, {'fetched' if fetched else 'there already'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
