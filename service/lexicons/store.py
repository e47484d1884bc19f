"""The store of lexicons: an SQLite file that several processes of one machine may share.

Each change is one transaction, which is on the disk when the call returns. Calls block, and may come from any thread.
"""

import errno
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from glosscast.lexicon.signs import Lexicon, LexiconError, SignExample, TaughtSign, checked_gloss, folded
from service.lexicons import rows
from service.lexicons.rows import Readings, Summary
from service.lexicons.schema import OtherFileError, connect

MIB = 2**20
FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE}
DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}

File = tuple[int, int]  # device and inode


class StoreError(RuntimeError):
    """The store cannot do this now; the fault is not the caller's.

    Attributes:
        code: why, for programs: `disk_full`, `lexicons_busy`, `lexicons_damaged` (also for what is no store, or one of
            a later version), or `lexicons_failed` for all else.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(eq=False)
class LexiconStore:
    """The lexicons of all owners.

    Attributes:
        path: of the file; it is made where there is none, for its user alone.
        max_bytes: keypoints that all lexicons of one owner may take.
        observe: called with the name of each change that was stored.

    Raises:
        StoreError: the file cannot be used, is damaged, or is something else; names it.
    """

    path: Path
    max_bytes: int = 512 * MIB
    observe: Callable[[str], None] = lambda change: None
    _idle: list[tuple[File, sqlite3.Connection]] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        with self._connection():
            pass

    def summaries(self, owner: str) -> list[Summary]:
        """An owner's lexicons, by name."""
        with self._connection() as db:
            return rows.summaries(db, owner)

    def summary(self, owner: str, name: str) -> Summary:
        """One lexicon.

        Raises:
            LexiconError: `unknown_lexicon`.
        """
        with self._connection() as db:
            return rows.summary(db, owner, name)

    def version(self, owner: str, name: str) -> int:
        """A number that every change of a lexicon raises, also that it was deleted and made anew.

        Raises:
            LexiconError: `unknown_lexicon`.
        """
        with self._connection() as db:
            return rows.find(db, owner, name)[1]

    def create(self, owner: str, name: str, bundle: str) -> None:
        """Make an empty lexicon.

        Raises:
            LexiconError: `lexicon_exists`, or `too_many`.
        """
        with self._transaction("made") as db:
            rows.create(db, owner, name, bundle)

    def delete(self, owner: str, name: str) -> None:
        """Forget a lexicon.

        Raises:
            LexiconError: `unknown_lexicon`.
        """
        with self._transaction("deleted") as db:
            db.execute("DELETE FROM lexicons WHERE id = ?", (rows.find(db, owner, name)[0],))
        self._forget()

    def add(self, owner: str, name: str, bundle: str, model: str, sign: TaughtSign) -> tuple[str, list[str]]:
        """Add a sign, or examples to one that is there; the same example counts once.

        Args:
            owner: of the lexicon.
            name: of the lexicon.
            bundle: name and version of the bundle that the examples' embeddings are of.
            model: sha256 of its model.
            sign: its name, its language, and the new examples.

        Returns:
            The sign's name as it is stored, and the ids of the examples that were not there.

        Raises:
            LexiconError: `unknown_lexicon`, `bad_gloss`, `too_many`.
        """
        with self._change("taught", owner, name, bundle) as (db, lexicon):
            added = rows.add(db, lexicon, sign, model)
            self._check_room(db, owner)
        return added

    def merge(self, owner: str, name: str, lexicon: Lexicon) -> None:
        """Add all signs of a lexicon to one that is there, or to one that is made.

        An example without an embedding counts as one that the lexicon's model has not read.

        Raises:
            LexiconError: `bad_gloss`, `too_many`; then nothing has changed.
        """
        with self._transaction("imported") as db:
            if not rows.exists(db, owner, name):
                rows.create(db, owner, name, lexicon.bundle)
            number, _ = rows.find(db, owner, name)
            for sign in lexicon:
                rows.add(db, number, sign, lexicon.model)
            self._check_room(db, owner)
            rows.touch(db, number, lexicon.bundle)

    def remove(self, owner: str, name: str, gloss: str) -> None:
        """Forget a sign.

        Raises:
            LexiconError: `unknown_lexicon`, `unknown_gloss`.
        """
        with self._change("sign_removed", owner, name) as (db, lexicon):
            db.execute("DELETE FROM signs WHERE id = ?", (rows.sign_of(db, lexicon, gloss)[0],))
        self._forget()

    def remove_example(self, owner: str, name: str, gloss: str, example: str) -> None:
        """Forget an example, by its id; a sign without an example goes too.

        Raises:
            LexiconError: `unknown_lexicon`, `unknown_gloss`, `unknown_example`.
        """
        with self._change("example_removed", owner, name) as (db, lexicon):
            sign, gloss = rows.sign_of(db, lexicon, gloss)
            if not db.execute("DELETE FROM examples WHERE sign = ? AND id = ?", (sign, example)).rowcount:
                raise rows.unknown_example(gloss)
            db.execute("DELETE FROM signs WHERE id = ?1 AND ?1 NOT IN (SELECT sign FROM examples)", (sign,))
        self._forget()

    def rename(self, owner: str, name: str, gloss: str, to: str) -> str:
        """Give a sign another name; the name as it is stored.

        Raises:
            LexiconError: `unknown_lexicon`, `unknown_gloss`, `bad_gloss`, `gloss_taken`.
        """
        to = checked_gloss(to)
        with self._change("renamed", owner, name) as (db, lexicon):
            sign, _ = rows.sign_of(db, lexicon, gloss)
            try:
                db.execute("UPDATE signs SET gloss = ?, folded = ? WHERE id = ?", (to, folded(to), sign))
            except sqlite3.IntegrityError:
                raise LexiconError("gloss_taken", f"{to!r} is in the lexicon already") from None
        return to

    def readings(self, owner: str, name: str, model: str) -> Readings:
        """A lexicon for reading with it: what a model, named by its sha256, has read in the examples.

        Raises:
            LexiconError: `unknown_lexicon`.
        """
        with self._connection() as db:
            db.execute("BEGIN")  # version and content of one moment
            bundle = rows.summary(db, owner, name).bundle
            lexicon, version = rows.find(db, owner, name)
            signs, unread = rows.signs_of(rows.readings(db, lexicon, model))
        return Readings(Lexicon(name, bundle, model, signs), version, unread)

    def unread(self, owner: str, name: str, model: str, most: int) -> list[tuple[int, SignExample]]:
        """Examples that a model has not read, at most so many of them, each with its number for `keep`.

        Raises:
            LexiconError: `unknown_lexicon`.
        """
        with self._connection() as db:
            return rows.unread(db, rows.find(db, owner, name)[0], model, most)

    def keep(self, model: str, read: Sequence[tuple[int, SignExample]]) -> None:
        """Store what a model has read in examples; those that have been forgotten in the meantime are passed over."""
        with self._transaction("read_anew") as db:
            for number, example in read:
                rows.keep(db, number, model, example)

    def load(self, owner: str, name: str, bundle: str, model: str) -> Lexicon:
        """A whole lexicon, with the frames of its examples, as a model has read it.

        Raises:
            LexiconError: `unknown_lexicon`, or `other_bundle`: the model has not read every example.
        """
        with self._connection() as db:
            signs, unread = rows.signs_of(rows.whole(db, rows.find(db, owner, name)[0], model))
        if unread:
            raise LexiconError("other_bundle", f"{bundle} has not read every example of {name}")
        return Lexicon(name, bundle, model, signs)

    def example(self, owner: str, name: str, gloss: str, example: str) -> SignExample:
        """One example with its frames, without what a model has read in it.

        Raises:
            LexiconError: `unknown_lexicon`, `unknown_gloss`, `unknown_example`.
        """
        with self._connection() as db:
            return rows.example_of(db, rows.find(db, owner, name)[0], gloss, example)

    def close(self) -> None:
        """Close the connections; the last one of all processes writes the write-ahead log into the file."""
        while self._idle:
            self._idle.pop()[1].close()

    def _check_room(self, db: sqlite3.Connection, owner: str) -> None:
        if rows.size(db, owner) > self.max_bytes:
            raise LexiconError("too_many", f"all your examples may take {self.max_bytes // MIB} MiB, these are more")

    def _forget(self) -> None:
        """Empty the write-ahead log, which holds what has been deleted, unless somebody is reading in it."""
        with self._connection() as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    @contextmanager
    def _change(
        self, what: str, owner: str, name: str, bundle: str | None = None
    ) -> Iterator[tuple[sqlite3.Connection, int]]:
        """A transaction that changes one lexicon, whose number is given."""
        with self._transaction(what) as db:
            lexicon, _ = rows.find(db, owner, name)
            yield db, lexicon
            rows.touch(db, lexicon, bundle)

    @contextmanager
    def _transaction(self, what: str) -> Iterator[sqlite3.Connection]:
        with self._connection() as db:
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")
        self.observe(what)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """A connection for this thread alone; what it has not committed is undone."""
        try:
            file, db = self._take()
        except (sqlite3.Error, OtherFileError, OSError) as error:
            raise self._error(error) from error
        usable = True
        try:
            yield db
        except sqlite3.Error as error:
            usable = False
            raise self._error(error) from error
        finally:
            if usable:
                db.rollback()
                self._idle.append((file, db))
            else:
                db.close()

    def _take(self) -> tuple[File, sqlite3.Connection]:
        """An idle connection, or a new one; none that is open on a file that has been deleted or replaced."""
        file = self._look()
        while self._idle:
            with suppress(IndexError):  # another thread has taken it
                opened, db = self._idle.pop()
                if opened == file:
                    return file, db
                db.close()
        return file, connect(str(self.path))

    def _look(self) -> File:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            found = self.path.stat()
        return found.st_dev, found.st_ino

    def _error(self, error: Exception) -> StoreError:
        code = getattr(error, "sqlite_errorcode", 0)
        if code in FULL or getattr(error, "errno", 0) in (errno.ENOSPC, errno.EDQUOT):
            return StoreError("disk_full", f"{self.path}: the disk is full, or no more may be written to it")
        primary = code & 0xFF  # the rest says where it happened
        if primary in DAMAGED or isinstance(error, OtherFileError):
            return StoreError("lexicons_damaged", f"{self.path}: not a file that this version can read: {error}")
        if primary in BUSY:
            return StoreError("lexicons_busy", f"{self.path}: another program keeps changing it")
        return StoreError("lexicons_failed", f"{self.path}: {error}")
