"""What requests and streams do with the lexicons of their callers: teach signs to them, and read with them."""

import logging
import os
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

import numpy as np

from glosscast.bundle import Bundle
from glosscast.lexicon.likeness import Likeness
from glosscast.lexicon.reading import LexiconRule
from glosscast.lexicon.signs import Lexicon, SignExample, TaughtSign
from glosscast.lexicon.teaching import Teacher, require_embedding
from glosscast.manifest import MODEL
from service.inference.engine import Engine
from service.lexicons.rows import NOTHING, Summary
from service.lexicons.store import MIB, LexiconStore, StoreError
from service.observe.metrics import Metrics
from service.settings import PREFIX, Settings, StartError

log = logging.getLogger("glosscast.service")

MAX_RULES = 32  # that are kept for the next request or stream
TOLERANCE = 1e-2  # by which a sum of probabilities, and the length of an embedding, may differ from 1
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

    def __init__(self, store: LexiconStore) -> None:
        self.store = store
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
        self.check_gloss(engine, sign.gloss)
        gloss, added = self.store.add(owner, name, bundle.id, bundle.manifest.files[MODEL], sign)
        known = self.known(owner, name, engine, gloss)
        return Taught(known.sign, known.likeness, tuple(added))

    def rename(self, owner: str, name: str, engine: Engine, gloss: str, to: str) -> Known:
        """Give a sign another name.

        Raises:
            LexiconError: `unknown_lexicon`, `unknown_gloss`, `bad_gloss`, `gloss_taken`, `other_bundle`.
            StoreError: the store fails.
        """
        self.check_gloss(engine, to)
        return self.known(owner, name, engine, self.store.rename(owner, name, gloss, to))

    def merge(self, owner: str, name: str, engine: Engine, lexicon: Lexicon) -> Summary:
        """Add all signs of a lexicon, which may be of another bundle, to one that is there or is made; what it is then.

        Raises:
            LexiconError: `bad_gloss`, `too_many`, or `other_bundle`: no sign can be taught to the engine's bundle.
            StoreError: the store fails; then nothing has changed.
        """
        require_embedding(engine.bundle)
        self.store.merge(owner, name, with_sound_readings(engine.bundle, lexicon))
        return self.store.summary(owner, name)

    def whole(self, owner: str, name: str, engine: Engine) -> Lexicon:
        """A lexicon with the frames of its examples, as the engine's bundle reads it.

        Raises:
            LexiconError: `unknown_lexicon`, `other_bundle`.
            StoreError: the store fails.
        """
        self.rule(owner, name, engine)  # reads what the bundle has not read yet
        return self.store.load(owner, name, engine.bundle.id, engine.bundle.manifest.files[MODEL])

    def signs(self, owner: str, name: str, engine: Engine) -> Iterator[Known]:
        """All signs of a lexicon.

        Raises:
            LexiconError: `unknown_lexicon`, `other_bundle`.
            StoreError: the store fails.
        """
        rule, _ = self.rule(owner, name, engine)
        for sign in rule.lexicon:
            yield Known(sign, rule.likeness(sign.gloss))

    def known(self, owner: str, name: str, engine: Engine, gloss: str) -> Known:
        """A sign of a lexicon.

        Raises:
            LexiconError: `unknown_lexicon`, `unknown_gloss`, `other_bundle`.
            StoreError: the store fails.
        """
        rule, _ = self.rule(owner, name, engine)
        return Known(rule.lexicon.sign(gloss), rule.likeness(gloss))

    @staticmethod
    def check_gloss(engine: Engine, gloss: str) -> None:
        """Check that a sign can be taught under a name.

        Raises:
            LexiconError: `bad_gloss`, or `other_bundle`: no sign can be taught to the engine's bundle.
        """
        Teacher(engine.bundle, engine.classify).gloss(gloss)

    def delete(self, owner: str, name: str) -> None:
        """Forget a lexicon, in the store and in memory; streams that read with it go on with the bundle's signs.

        Raises:
            LexiconError: `unknown_lexicon`.
            StoreError: the store fails; then nothing has changed.
        """
        self.store.delete(owner, name)
        with self._lock:
            self._rules.pop((owner, name), None)

    def close(self) -> None:
        """Close the store."""
        self.store.close()


def with_sound_readings(bundle: Bundle, lexicon: Lexicon) -> Lexicon:
    """A lexicon of unknown origin without readings that the bundle's model cannot have made."""
    own = lexicon.model == bundle.manifest.files[MODEL]

    def sound(example: SignExample) -> bool:
        odds, embedding = example.probabilities, example.embedding
        return (
            own
            and odds.shape == (len(bundle.vocabulary),)
            and embedding.shape == (bundle.embedding_size,)
            and bool(odds.min() >= 0)
            and abs(float(odds.sum()) - 1) < TOLERANCE
            and abs(float(np.linalg.norm(embedding)) - 1) < TOLERANCE
        )

    def checked(example: SignExample) -> SignExample:
        return example if sound(example) else replace(example, probabilities=NOTHING, embedding=NOTHING)

    signs = {sign.gloss: replace(sign, examples=tuple(map(checked, sign.examples))) for sign in lexicon}
    return replace(lexicon, signs=signs)


def lexicons_of(settings: Settings, metrics: Metrics) -> Lexicons | None:
    """The lexicons that a service keeps; None where it keeps none.

    Without `GLOSSCAST_LEXICONS` a service without keys, which answers its own machine alone, keeps them in the folder
    of the user's data, and one with keys keeps none.

    Raises:
        StartError: the file cannot be used, is damaged or is something else.
    """
    path = settings.lexicons
    if path is None and settings.api_keys_file is not None:
        return None
    try:
        path = path or default_file()
        return Lexicons(LexiconStore(path, settings.lexicons_mib * MIB, metrics.lexicon_changed))
    except StoreError as error:
        if settings.lexicons is not None or error.code != "lexicons_failed":
            raise StartError(f"{PREFIX}LEXICONS: {error}") from error
        log.warning("no sign can be taught: %s; %sLEXICONS can name another file", error, PREFIX)
        return None


def default_file() -> Path:
    """Where the lexicons of a machine's user are, by the XDG Base Directory Specification.

    Raises:
        StoreError: `lexicons_failed`: the user has no folder.
    """
    data = Path(os.environ.get("XDG_DATA_HOME", ""))
    try:
        data = data if data.is_absolute() else Path.home() / ".local" / "share"
    except RuntimeError as error:
        raise StoreError("lexicons_failed", str(error)) from error
    return data / "glosscast" / "lexicons.sqlite"
