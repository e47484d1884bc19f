"""What is known of taught signs, for people and as JSON in the form of `GET /v1/lexicons/{name}/signs`."""

from collections.abc import Iterator, Mapping
from typing import Any

from glosscast.lexicon.likeness import Likeness
from glosscast.lexicon.signs import TaughtSign
from glosscast.wording import counted


def examples_as_json(sign: TaughtSign) -> dict[str, Any]:
    """A sign and its examples."""
    examples = [{"id": e.id, "duration_ms": round(e.end_ms - e.start_ms, 1)} for e in sign.examples]
    return {"gloss": sign.gloss, "language": sign.language, "examples": examples}


def sign_as_json(sign: TaughtSign, likeness: Likeness) -> dict[str, Any]:
    """A sign, how alike its examples are, and the signs that it is easily read as."""
    return {
        **examples_as_json(sign),
        "consistency": None if likeness.consistency is None else round(likeness.consistency, 3),
        "outliers": list(likeness.outliers),
        "look_alikes": [
            {"gloss": other.gloss, "taught": other.taught, "risk": round(other.risk, 3)}
            for other in likeness.look_alikes
        ],
    }


def sign_as_text(sign: TaughtSign, likeness: Likeness, names: Mapping[str, str]) -> Iterator[str]:
    """Lines about a sign.

    Args:
        sign: the sign.
        likeness: what is known of it.
        names: clips by the id of the example that was made of them, where they are known.
    """
    count = counted(len(sign.examples), "example")
    alike = "" if likeness.consistency is None else f", alike by {likeness.consistency:.2f} of 1"
    yield f"{sign.gloss}: {count}{alike}"
    for example in likeness.outliers:
        clip = f" ({names[example]})" if example in names else ""
        yield f"  example {example}{clip} does not fit the others"
    for other in likeness.look_alikes:
        origin = "taught" if other.taught else "of the bundle"
        yield f"  is read as {other.gloss} ({origin}) with a risk of {other.risk:.0%}"
