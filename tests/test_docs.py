"""The pages of `docs`: those that come from the code agree with it, and every link leads somewhere."""

import re
from pathlib import Path

import pytest

from tools import diagrams, references

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
REFERENCES = references.pages()
DIAGRAMS = diagrams.pictures()


@pytest.mark.parametrize("name", REFERENCES)
def test_the_page_is_what_the_code_says(name: str) -> None:
    stored = (references.PAGES / name).read_text(encoding="utf-8")
    assert stored == REFERENCES[name], "write it anew: make references"


@pytest.mark.parametrize("name", DIAGRAMS)
def test_the_diagram_is_that_of_its_source(name: str) -> None:
    stored = (diagrams.PICTURES / name).read_text(encoding="utf-8")
    assert stored == DIAGRAMS[name], "write it anew: make references"


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere_on_the_site_and_on_github(page: Path) -> None:
    """A link from `docs` stays in `docs`, since the site has nothing else."""
    folder = ROOT if page.parent == ROOT else DOCS
    for target, fragment in links(page):
        path = page if target == "" else (page.parent / target).resolve()
        assert path.is_relative_to(folder), f"{target} leads out of {folder.name}"
        assert path.is_file(), f"{target} does not exist"
        assert not fragment or fragment in anchors(path), f"{path.name} has no heading #{fragment}"


def test_every_page_is_in_the_navigation() -> None:
    said = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert [str(page.relative_to(DOCS)) for page in PAGES if f": {page.relative_to(DOCS)}\n" not in said] == []


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: str(page.relative_to(ROOT)))
def test_clients_leave_the_no_sign_class_out(page: Path) -> None:
    clients = re.findall(r"^```(?:python|js)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    printing = [client for client in clients if re.search(r'"final"(?s:.*)(?:print|console\.log)\(', client)]
    assert [client for client in printing if not re.search("no_?sign", client, re.IGNORECASE)] == []


def test_nothing_is_to_be_installed_from_an_index_that_does_not_have_it() -> None:
    sources = [path for name in ("glosscast", "service", "training", "export") for path in (ROOT / name).rglob("*.py")]
    pages = [*PAGES, *ROOT.glob("*.md")]
    wrong = re.compile(r"pip install (?:-\S+ )*['\"]?glosscast\b(?!-)")
    assert [str(path) for path in (*sources, *pages) if wrong.search(path.read_text(encoding="utf-8"))] == []


def test_reading_links_and_anchors(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# What `it` is, then\n[a](b.md#c) ![d](e.png) [f](https://g.h) [i](#j)\n```sh\n# no\n[k](l.md)\n```\n"
    )

    assert links(page) == [("b.md", "c"), ("e.png", ""), ("", "j")]
    assert anchors(page) == {"what-it-is-then"}


def links(page: Path) -> list[tuple[str, str]]:
    """File and fragment of each relative link and picture."""
    found = re.findall(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"", prose(page))
    targets = [markdown or html for markdown, html in found]
    return [(target.partition("#")[0], target.partition("#")[2]) for target in targets if "://" not in target]


def anchors(page: Path) -> set[str]:
    """The fragments of a page's headings, which GitHub and MkDocs write alike."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
