"""How far a command is, on the terminal."""

import sys

CLEAR_LINE = "\r\x1b[K"


class ProgressLine:
    """A line on stderr that is rewritten; nothing is written where stderr is no terminal.

    Attributes:
        terminal: whether stderr is one.
    """

    def __init__(self) -> None:
        self.terminal = sys.stderr.isatty()

    def show(self, text: str) -> None:
        """Write the text in the place of the one before."""
        if self.terminal:
            print(f"{CLEAR_LINE}{text}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Take the line away, so that something else can be written."""
        if self.terminal:
            print(CLEAR_LINE, end="", file=sys.stderr, flush=True)
