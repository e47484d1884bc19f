"""What the tables of the store hold, and the steps that its transactions are made of."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from time import time

import numpy as np
from numpy.typing import NDArray

from glosscast.keypoints import CHANNELS, POINTS
from glosscast.lexicon.signs import MAX_SIGNS, Lexicon, LexiconError, SignExample, TaughtSign, checked_gloss, folded

MAX_LEXICONS = 100  # of one owner
FRAME_BYTES = POINTS * CHANNELS * 2  # float16
Floats = NDArray[np.float32]
Frames = tuple[float, float, str, bytes, bytes]  # the columns of `FRAMES`
NOTHING = np.zeros(0, np.float32)
NO_FRAMES = np.zeros((0, POINTS, CHANNELS), np.float16)

SUMMARIES = """
SELECT name, (SELECT count(*) FROM signs s WHERE s.lexicon = l.id),
    (SELECT count(*) FROM signs s JOIN examples e ON e.sign = s.id WHERE s.lexicon = l.id), bundle, changed_at
FROM lexicons l WHERE owner = ?
"""
FRAMES = "e.start_ms, e.end_ms, e.source, e.t_ms, e.keypoints"
OF_LEXICON = """
FROM signs s JOIN examples e ON e.sign = s.id LEFT JOIN readings r ON r.example = e.number AND r.model = ?
WHERE s.lexicon = ?
"""
SIZE = """
SELECT coalesce(sum(e.frames), 0) FROM lexicons l JOIN signs s ON s.lexicon = l.id JOIN examples e ON e.sign = s.id
WHERE l.owner = ?
"""


@dataclass(frozen=True, eq=False)
class StoredExample(SignExample):
    """An example without its frames, which stay in the store.

    Attributes:
        stored: its id.
    """

    stored: str = ""

    @cached_property
    def id(self) -> str:
        """See `SignExample`."""
        return self.stored


@dataclass(frozen=True)
class Summary:
    """A lexicon in a list.

    Attributes:
        name: of the lexicon.
        signs: how many it has.
        examples: of all signs.
        bundle: name and version of the one that it was last taught with.
        changed_at: UTC.
    """

    name: str
    signs: int
    examples: int
    bundle: str
    changed_at: datetime


@dataclass(frozen=True, eq=False)
class Readings:
    """A lexicon as one model reads it.

    Attributes:
        lexicon: of `StoredExample`s; those that the model has not read are left out.
        version: of the lexicon.
        unread: how many the model has not read.
    """

    lexicon: Lexicon
    version: int
    unread: int


def summaries(db: sqlite3.Connection, owner: str) -> list[Summary]:
    """An owner's lexicons, by name."""
    return [_summary(row) for row in db.execute(f"{SUMMARIES} ORDER BY name", (owner,))]


def summary(db: sqlite3.Connection, owner: str, name: str) -> Summary:
    """One lexicon; `unknown_lexicon`."""
    row = db.execute(f"{SUMMARIES} AND name = ?", (owner, name)).fetchone()
    if row is None:
        raise _unknown(name)
    return _summary(row)


def find(db: sqlite3.Connection, owner: str, name: str) -> tuple[int, int]:
    """The number and the version of a lexicon; `unknown_lexicon`."""
    row = db.execute("SELECT id, version FROM lexicons WHERE owner = ? AND name = ?", (owner, name)).fetchone()
    if row is None:
        raise _unknown(name)
    return int(row[0]), int(row[1])


def exists(db: sqlite3.Connection, owner: str, name: str) -> bool:
    """Whether there is such a lexicon."""
    return bool(db.execute("SELECT 1 FROM lexicons WHERE owner = ? AND name = ?", (owner, name)).fetchone())


def create(db: sqlite3.Connection, owner: str, name: str, bundle: str) -> None:
    """Make an empty lexicon; `lexicon_exists`, `too_many`."""
    if exists(db, owner, name):
        raise LexiconError("lexicon_exists", f"there is a lexicon {name} already")
    (count,) = db.execute("SELECT count(*) FROM lexicons WHERE owner = ?", (owner,)).fetchone()
    if count >= MAX_LEXICONS:
        raise LexiconError("too_many", f"there may be {MAX_LEXICONS} lexicons at most")
    db.execute(
        "INSERT INTO lexicons (owner, name, bundle, version, changed_at) VALUES (?, ?, ?, 0, 0)", (owner, name, bundle)
    )
    touch(db, find(db, owner, name)[0], bundle)


def touch(db: sqlite3.Connection, lexicon: int, bundle: str | None) -> None:
    """Give a lexicon its next version; `bundle` is the one that it was taught with, None where it was not taught."""
    db.execute("UPDATE changes SET number = number + 1")
    db.execute(
        "UPDATE lexicons SET version = (SELECT number FROM changes), changed_at = ?, bundle = coalesce(?, bundle) "
        "WHERE id = ?",
        (time(), bundle, lexicon),
    )


def size(db: sqlite3.Connection, owner: str) -> int:
    """The bytes of all keypoints of an owner."""
    (frames,) = db.execute(SIZE, (owner,)).fetchone()
    return int(frames) * FRAME_BYTES


def sign_of(db: sqlite3.Connection, lexicon: int, gloss: str) -> tuple[int, str]:
    """The number and the gloss, as it was written, of a sign; `unknown_gloss`."""
    row = db.execute(
        "SELECT id, gloss FROM signs WHERE lexicon = ? AND folded = ?", (lexicon, folded(gloss))
    ).fetchone()
    if row is None:
        raise LexiconError("unknown_gloss", f"{gloss!r} is not in the lexicon")
    return int(row[0]), str(row[1])


def add(db: sqlite3.Connection, lexicon: int, sign: TaughtSign, model: str) -> tuple[str, list[str]]:
    """Add a sign, or examples to it; its gloss as it is stored, and the ids of the examples that were not there.

    Raises:
        LexiconError: `bad_gloss`, `too_many`.
    """
    known = _known(db, lexicon, checked_gloss(sign.gloss))
    before = {example.id for example in known.examples} if known else set()
    one = Lexicon("", "", model, {known.gloss: known} if known else {})
    (checked,) = one.with_examples(sign.gloss, sign.examples, sign.language)  # its rules hold here as well
    if known is None:
        (count,) = db.execute("SELECT count(*) FROM signs WHERE lexicon = ?", (lexicon,)).fetchone()
        if count >= MAX_SIGNS:
            raise LexiconError("too_many", f"a lexicon holds {MAX_SIGNS} signs at most")
    db.execute(
        "INSERT INTO signs (lexicon, gloss, folded, language) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (lexicon, folded) DO UPDATE SET language = excluded.language",
        (lexicon, checked.gloss, folded(checked.gloss), checked.language),
    )
    number, _ = sign_of(db, lexicon, checked.gloss)
    added = [example for example in checked.examples if example.id not in before]
    for example in added:
        _insert(db, number, model, example)
    return checked.gloss, [example.id for example in added]


def _known(db: sqlite3.Connection, lexicon: int, gloss: str) -> TaughtSign | None:
    """A sign that is there, with examples that have their ids alone."""
    row = db.execute(
        "SELECT id, gloss, language FROM signs WHERE lexicon = ? AND folded = ?", (lexicon, folded(gloss))
    ).fetchone()
    if row is None:
        return None
    found = db.execute("SELECT id FROM examples WHERE sign = ? ORDER BY number", (row[0],))
    examples = (StoredExample(NOTHING, NO_FRAMES, 0, 0, NOTHING, NOTHING, stored=stored) for (stored,) in found)
    return TaughtSign(row[1], row[2], tuple(examples))


def _insert(db: sqlite3.Connection, sign: int, model: str, example: SignExample) -> None:
    cursor = db.execute(
        "INSERT INTO examples (sign, id, start_ms, end_ms, source, frames, t_ms, keypoints) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            sign,
            example.id,
            float(example.start_ms),
            float(example.end_ms),
            example.source,
            len(example.t_ms),
            example.t_ms.astype("<f4").tobytes(),
            example.keypoints.astype("<f2").tobytes(),
        ),
    )
    assert cursor.lastrowid is not None  # after an insertion
    if len(example.embedding):
        keep(db, cursor.lastrowid, model, example)


def keep(db: sqlite3.Connection, number: int, model: str, example: SignExample) -> None:
    """Store what a model has read in an example, unless the example has been forgotten."""
    db.execute(
        "INSERT OR REPLACE INTO readings SELECT number, ?, ?, ? FROM examples WHERE number = ?",
        (model, example.probabilities.astype("<f4").tobytes(), example.embedding.astype("<f4").tobytes(), number),
    )


def readings(db: sqlite3.Connection, lexicon: int, model: str) -> Iterator[tuple[str, str, StoredExample | None]]:
    """Gloss, language and example of all that a model has read in a lexicon; None for an example that it has not."""
    columns = "s.gloss, s.language, e.id, e.start_ms, e.end_ms, e.source, r.probabilities, r.embedding"
    query = f"SELECT {columns} {OF_LEXICON} ORDER BY s.id, e.number"
    for gloss, language, stored, start, end, source, probabilities, embedding in db.execute(query, (model, lexicon)):
        if embedding is None:
            yield gloss, language, None
        else:
            read = (_floats(probabilities), _floats(embedding))
            yield gloss, language, StoredExample(NOTHING, NO_FRAMES, start, end, *read, source, stored)


def whole(db: sqlite3.Connection, lexicon: int, model: str) -> Iterator[tuple[str, str, SignExample | None]]:
    """As `readings`, with the frames."""
    query = f"SELECT s.gloss, s.language, r.probabilities, r.embedding, {FRAMES} {OF_LEXICON} ORDER BY s.id, e.number"
    for gloss, language, probabilities, embedding, *frames in db.execute(query, (model, lexicon)):
        if embedding is None:
            yield gloss, language, None
        else:
            yield gloss, language, _example((*frames,), _floats(probabilities), _floats(embedding))


def unread(db: sqlite3.Connection, lexicon: int, model: str, most: int) -> list[tuple[int, SignExample]]:
    """Examples that a model has not read, each with its number."""
    query = f"SELECT e.number, {FRAMES} {OF_LEXICON} AND r.example IS NULL ORDER BY e.number LIMIT ?"
    return [(number, _example((*frames,))) for number, *frames in db.execute(query, (model, lexicon, most))]


def example_of(db: sqlite3.Connection, lexicon: int, gloss: str, example: str) -> SignExample:
    """One example with its frames; `unknown_gloss`, `unknown_example`."""
    sign, gloss = sign_of(db, lexicon, gloss)
    row = db.execute(f"SELECT {FRAMES} FROM examples e WHERE e.sign = ? AND e.id = ?", (sign, example)).fetchone()
    if row is None:
        raise unknown_example(gloss)
    return _example(row)


def unknown_example(gloss: str) -> LexiconError:
    """The error for an id that no example of a sign has."""
    return LexiconError("unknown_example", f"{gloss!r} has no example of this id")


def signs_of(found: Iterator[tuple[str, str, SignExample | None]]) -> tuple[dict[str, TaughtSign], int]:
    """The signs that rows of examples make, and how many examples are missing."""
    signs: dict[str, list[SignExample]] = {}
    languages: dict[str, str] = {}
    missing = 0
    for gloss, language, example in found:
        if example is None:
            missing += 1
        else:
            signs.setdefault(gloss, []).append(example)
            languages[gloss] = language
    return {gloss: TaughtSign(gloss, languages[gloss], tuple(of)) for gloss, of in signs.items()}, missing


def _summary(row: tuple[str, int, int, str, float]) -> Summary:
    name, signs, examples, bundle, changed_at = row
    return Summary(name, signs, examples, bundle, datetime.fromtimestamp(changed_at, UTC))


def _unknown(name: str) -> LexiconError:
    return LexiconError("unknown_lexicon", f"there is no lexicon {name}")


def _example(row: Frames, probabilities: Floats = NOTHING, embedding: Floats = NOTHING) -> SignExample:
    start_ms, end_ms, source, t_ms, keypoints = row
    frames = np.frombuffer(keypoints, "<f2").reshape(-1, POINTS, CHANNELS)
    return SignExample(_floats(t_ms), frames, start_ms, end_ms, probabilities, embedding, source)


def _floats(data: bytes) -> Floats:
    return np.frombuffer(data, "<f4")
