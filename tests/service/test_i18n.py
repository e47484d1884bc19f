"""The messages of the page: complete in each language, all of them in use, and nothing said past them."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest

from service.site.vendor import WEB
from service.typescript import PAGES
from tests.service.messages import LANGUAGES, OTHERS, forms, messages, needs_node, plain

WORKER = "holistic-worker.js"  # what it says is for the console
ATTRIBUTES = {"data-t-title": "title", "data-t-placeholder": "placeholder", "data-t-aria-label": "aria-label"}
VOID = {"meta", "link", "input", "img", "br"}


def marks(text: str) -> tuple[set[str], list[str]]:
    """The parameters of a message, and its parts in the order of their names."""
    return set(re.findall(r"\{(\w+)\}", text)), sorted(re.findall(r"<(\w+)>", text))


@needs_node
@pytest.mark.parametrize("language", OTHERS)
def test_every_language_has_the_same_messages(language: str) -> None:
    assert set(messages(language)) == set(messages("en"))
    for key, text in messages("en").items():
        other = messages(language)[key]
        assert type(other) is type(text), key
        assert forms(other) != forms(text) or " " not in plain(forms(text)[-1]), f"{key} is not translated"
        assert all(form.strip() for form in forms(other)), key
        wanted = marks(forms(text)[-1])
        for form in forms(other):
            params, parts = marks(form)
            assert (params | ({"n"} if isinstance(text, dict) else set())) >= wanted[0], key
            assert params <= wanted[0], key
            assert parts == wanted[1], key
            assert "<" not in re.sub(r"<(\w+)>[^<]*</\1>", "", form), f"{key}: a part is open, or in another"


@needs_node
@pytest.mark.parametrize("language", LANGUAGES)
def test_quotes_and_spaces_are_those_of_the_language(language: str) -> None:
    quotes = {"en": "“”", "de": "„“", "fr": "«»", "es": "«»"}[language]
    for key, text in messages(language).items():
        for form in forms(text):
            assert not set(form) & set('"“”„«»') - set(quotes), key
            assert not re.search(r"--|  |\.\.\.", form), key
            if language == "fr":
                assert not re.search(r"(?<!\u00a0)[:;?!»]|«(?!\u00a0)", form), key


class Page(HTMLParser):
    """Reads the elements of the pages that name messages, and the words of those that do not.

    Attributes:
        named: each key that is named, with the text that stands there.
        bare: text outside of all elements that name a message.
    """

    def __init__(self) -> None:
        super().__init__()
        self.named: list[tuple[str, str]] = []
        self.bare: list[str] = []
        self._open: list[tuple[str, str | None, list[str]]] = []  # tag, key, text

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        for attribute, plain_name in ATTRIBUTES.items():
            if attribute in found:
                self.named.append((found[attribute] or "", found[plain_name] or ""))
            elif tag not in ("meta", "link") and found.get(plain_name):
                self.bare.append(found[plain_name] or "")
        if tag not in VOID:
            self._open.append((tag, found.get("data-t"), []))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Drawings have no words."""

    def handle_endtag(self, tag: str) -> None:
        while self._open:
            opened, key, text = self._open.pop()
            if key:
                self.named.append((key, "".join(text)))
            if opened == tag:
                return

    def handle_data(self, data: str) -> None:
        keyed = [text for _, key, text in self._open if key]
        for text in keyed:
            text.append(data)
        if not keyed and data.strip() and "noscript" not in [tag for tag, _, _ in self._open]:
            self.bare.append(data.strip())


@pytest.fixture(scope="module")
def page() -> Page:
    page = Page()
    for name in PAGES:
        page.feed((WEB / name).read_text(encoding="utf-8"))
    return page


@needs_node
def test_the_file_of_the_page_has_the_words_of_the_english_messages(page: Page) -> None:
    assert len(page.named) > 100
    for key, text in page.named:
        message = messages("en")[key]
        assert isinstance(message, str), key
        assert " ".join(text.split()) == plain(message), key


def test_the_file_of_the_page_has_no_words_without_a_message(page: Page) -> None:
    """Names of formats and the project's own are the same everywhere."""
    assert set(page.bare) == {"Glosscast", "WebVTT", "SRT", "JSON"}


def used(page: Page) -> Iterator[str]:
    """Patterns of the keys that the pages and the modules name."""
    yield from (re.escape(key) for key, _ in page.named)
    for module in (WEB / "js").glob("*.js"):
        text = re.sub(r"^\s*(//|/?\*).*$", "", module.read_text(encoding="utf-8"), flags=re.MULTILINE)
        yield from (re.escape(key) for key in re.findall(r'"([a-z_]+\.[a-z_]+)"', text))
        for key in re.findall(r"`([a-z_]+\.(?:\$\{[^}]*\}|\w)*)`", text):
            yield r"\w+".join(re.escape(piece) for piece in re.split(r"\$\{[^}]*\}", key))


@needs_node
def test_every_message_is_used(page: Page) -> None:
    """That no module names one that is not there is what TypeScript checks."""
    patterns = set(used(page))
    unused = {key for key in messages("en") if not any(re.fullmatch(pattern, key) for pattern in patterns)}
    assert unused == set()


def test_the_sources_say_nothing_past_the_messages() -> None:
    """A string of two words and more that begins with a capital is for people to read, and belongs to the messages."""
    for module in (WEB / "js").glob("*.js"):
        text = re.sub(r"^\s*(//|/?\*).*$", "", module.read_text(encoding="utf-8"), flags=re.MULTILINE)
        text = re.sub(
            r"//.*$|/\*.*?\*/|console\.\w+\(.*$", "", text, flags=re.MULTILINE
        )  # the console is not for readers
        found = re.findall(r"""["`]([A-Z][a-z]+ [a-z][^"`\n]*)["`]""", text)
        assert module.name == WORKER or found == [], module.name
