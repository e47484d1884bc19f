"""What requests and streams do with the lexicons of their callers: teach signs to them, and read with them."""

import logging
import os
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from glosscast.bundle import Bundle
from glosscast.lexicon.likeness import Likeness
from glosscast.lexicon.reading import LexiconRule
from glosscast.lexicon.signs import Lexicon, TaughtSign
from glosscast.lexicon.teaching import Teacher
from glosscast.manifest import MODEL
from service.inference.engine import Engine
from service.lexicons.store import MIB, LexiconStore, StoreError
from service.observe.metrics import Metrics
from service.settings import PREFIX, Settings, StartError

log = logging.getLogger("glosscast.service")

MAX_RULES = 32  # that are kept for the next request or stream
AT_ONCE = 50  # examples that a new bundle reads before it stores what it has read


@dataclass(frozen=True)
class Known:
    """A sign of a lexicon, and what is known of it.

    Attributes:
        sign: with its examples, without their frames.
        likeness: of its examples, and to other signs.
    """

    sign: TaughtSign
    likeness: Likeness


@dataclass(frozen=True)
class Taught(Known):
    """A sign that has just been taught.

    Attributes:
        added: ids of the examples that were not there before.
    """

    added: tuple[str, ...]


class Lexicons:
    """The lexicons of all callers, by the name of their key. Calls block, and may come from any thread.

    Attributes:
        store: where they are.
    """

    def __init__(self, store: LexiconStore, metrics: Metrics) -> None:
        self.store = store
        self._metrics = metrics
        self._rules: OrderedDict[tuple[str, str], tuple[int, Bundle, LexiconRule]] = OrderedDict()
        self._lock = Lock()

    def version(self, owner: str, name: str) -> int:
        """A number that every change of a lexicon raises; cheap enough for every sign of a stream.

        Raises:
            LexiconError: `unknown_lexicon`.
            StoreError: the store fails.
        """
        return self.store.version(owner, name)

    def rule(self, owner: str, name: str, engine: Engine) -> tuple[LexiconRule, int]:
        """The rule that reads with a lexicon, and the version that it is of.

        What the bundle has not read yet it reads now: a few ms for each example that was taught to another one.

        Raises:
            LexiconError: `unknown_lexicon`, or `other_bundle`: no sign can be taught to the engine's bundle.
            StoreError: the store fails.
        """
        version = self.store.version(owner, name)
        with self._lock:
            known = self._rules.get((owner, name))
        if known is not None and known[0] == version and known[1] is engine.bundle:
            return known[2], version
        bundle = engine.bundle
        model = bundle.manifest.files[MODEL]
        teacher = Teacher(bundle, engine.classify)
        while (found := self.store.readings(owner, name, model)).unread:
            self._read_anew(owner, name, teacher, model)
        rule = LexiconRule(bundle, found.lexicon)
        with self._lock:
            self._rules[owner, name] = found.version, bundle, rule
            self._rules.move_to_end((owner, name))
            while len(self._rules) > MAX_RULES:
                self._rules.popitem(last=False)
        return rule, found.version

    def _read_anew(self, owner: str, name: str, teacher: Teacher, model: str) -> None:
        unread = self.store.unread(owner, name, model, AT_ONCE)
        signs = {"": TaughtSign("", "", tuple(example for _, example in unread))}
        read = teacher.embedded(Lexicon(name, "", "", signs))
        examples = (example for sign in read for example in sign.examples)
        self.store.keep(model, [(number, example) for (number, _), example in zip(unread, examples, strict=True)])

    def teach(self, owner: str, name: str, engine: Engine, sign: TaughtSign) -> Taught:
        """Add a sign to a lexicon, or examples to a sign of it; the same example counts once.

        Args:
            owner: of the lexicon.
            name: of the lexicon.
            engine: whose bundle made the examples.
            sign: its name, its language, and the new examples.

        Raises:
            LexiconError: `unknown_lexicon`, `bad_gloss`, `too_many`, `other_bundle`.
            StoreError: the store fails, for one because the disk is full; then nothing has changed.
        """
        bundle = engine.bundle
        Teacher(bundle, engine.classify).gloss(sign.gloss)
        gloss, added = self.store.add(owner, name, bundle.id, bundle.manifest.files[MODEL], sign)
        self._metrics.lexicon_changes.labels("taught").inc()
        known = self.known(owner, name, engine, gloss)
        return Taught(known.sign, known.likeness, tuple(added))

    def known(self, owner: str, name: str, engine: Engine, gloss: str) -> Known:
        """A sign of a lexicon.

        Raises:
            LexiconError: `unknown_lexicon`, `unknown_gloss`, `other_bundle`.
            StoreError: the store fails.
        """
        rule, _ = self.rule(owner, name, engine)
        return Known(rule.lexicon.sign(gloss), rule.likeness(gloss))

    def close(self) -> None:
        """Close the store."""
        self.store.close()


def lexicons_of(settings: Settings, metrics: Metrics) -> Lexicons | None:
    """The lexicons that a service keeps; None where it keeps none.

    Without `GLOSSCAST_LEXICONS` a service without keys, which answers its own machine alone, keeps them in the folder
    of the user's data, and one with keys keeps none.

    Raises:
        StartError: the file cannot be used, is damaged or is something else.
    """
    path = settings.lexicons
    if path is None and settings.api_keys_file is None:
        path = default_file()
    if path is None:
        return None
    try:
        return Lexicons(LexiconStore(path, settings.lexicons_mib * MIB), metrics)
    except StoreError as error:
        if settings.lexicons is None and error.code == "lexicons_failed":  # as where the user has no folder
            log.warning("no lexicons: %s; %sLEXICONS names another file", error, PREFIX)
            return None
        raise StartError(f"{PREFIX}LEXICONS: {error}") from error


def default_file() -> Path:
    """Where the lexicons of a machine's user are, by the XDG Base Directory Specification."""
    data = Path(os.environ.get("XDG_DATA_HOME", ""))
    return (data if data.is_absolute() else Path.home() / ".local" / "share") / "glosscast" / "lexicons.sqlite"
