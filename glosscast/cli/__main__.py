"""`python -m glosscast.cli` is `glosscast`."""

import sys

from glosscast.cli.command_line import main

if __name__ == "__main__":
    sys.exit(main())
