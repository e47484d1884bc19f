"""The tables of the store of lexicons, and how a file comes to have them."""

import sqlite3

APPLICATION = 0x676C6578  # "glex", in the header of the file
LOG_BYTES = 16 * 2**20  # to which the write-ahead log is cut after a large change
BUSY_MS = 5000  # for which a change waits for another one

# An example is its keypoints; what a bundle reads in it is beside it, once for each model, so that two bundles can be
# in use. Numbers of examples are not used again, since readings are stored some time after their example was looked at.
FIRST = """
CREATE TABLE changes (number INTEGER NOT NULL);
INSERT INTO changes VALUES (0);
CREATE TABLE lexicons (
    id INTEGER PRIMARY KEY,
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    bundle TEXT NOT NULL,
    version INTEGER NOT NULL,
    changed_at REAL NOT NULL,
    UNIQUE (owner, name)
);
CREATE TABLE signs (
    id INTEGER PRIMARY KEY,
    lexicon INTEGER NOT NULL REFERENCES lexicons ON DELETE CASCADE,
    gloss TEXT NOT NULL,
    folded TEXT NOT NULL,
    language TEXT NOT NULL,
    UNIQUE (lexicon, folded)
);
CREATE TABLE examples (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    sign INTEGER NOT NULL REFERENCES signs ON DELETE CASCADE,
    id TEXT NOT NULL,
    start_ms REAL NOT NULL,
    end_ms REAL NOT NULL,
    source TEXT NOT NULL,
    frames INTEGER NOT NULL,
    t_ms BLOB NOT NULL,
    keypoints BLOB NOT NULL,
    UNIQUE (sign, id)
);
CREATE TABLE readings (
    example INTEGER NOT NULL REFERENCES examples ON DELETE CASCADE,
    model TEXT NOT NULL,
    probabilities BLOB NOT NULL,
    embedding BLOB NOT NULL,
    PRIMARY KEY (example, model)
);
"""
MIGRATIONS = (FIRST,)  # the n-th makes version n of what version n - 1 left


class OtherFileError(ValueError):
    """The file is no store of lexicons, or one of a later version; says so in one line."""


def connect(path: str) -> sqlite3.Connection:
    """A connection to the store, whose tables are made or brought up to date first.

    Raises:
        OtherFileError: the file is something else.
        sqlite3.Error: it cannot be used, or is damaged.
    """
    db = sqlite3.connect(path, timeout=BUSY_MS / 1000, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("PRAGMA secure_delete = ON")  # what is forgotten is overwritten
        db.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")
        db.execute("PRAGMA synchronous = FULL")  # what was acknowledged survives a loss of power
        if _version(db) < len(MIGRATIONS):
            _migrate(db)
    except BaseException:
        db.close()
        raise
    return db


def _version(db: sqlite3.Connection) -> int:
    """The version of the file's tables; 0 for an empty file."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if (version or tables) and application != APPLICATION:
        raise OtherFileError("this is a database of something else")
    if version > len(MIGRATIONS):
        raise OtherFileError(
            f"it was written by a later version of Glosscast (tables {version}, known are {len(MIGRATIONS)})"
        )
    return int(version)


def _migrate(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("BEGIN IMMEDIATE")
    try:
        for version in range(_version(db), len(MIGRATIONS)):  # looked at anew: another process may have been first
            for statement in MIGRATIONS[version].split(";"):
                db.execute(statement)
            db.execute(f"PRAGMA application_id = {APPLICATION}")
            db.execute(f"PRAGMA user_version = {version + 1}")
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise
