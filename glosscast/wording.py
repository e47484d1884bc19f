"""Words of messages for people."""


def counted(count: int, word: str) -> str:
    """A number and what it counts: "1 frame", "2 frames".

    Args:
        count: how many.
        word: in the singular; its plural must end in "s".
    """
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def installing(extra: str) -> str:
    """How an extra of this package is installed; the package is in no index."""
    return f"pip install -e '.[{extra}]' in the checkout, or pip install 'FILE.whl[{extra}]' with a wheel"
