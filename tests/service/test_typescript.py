"""The generated files of the page agree with the code that defines their content."""

import re

import pytest

from service import typescript
from service.site.vendor import WEB

FILES = typescript.files()


@pytest.mark.parametrize("name", FILES)
def test_the_stored_file_is_up_to_date(name: str) -> None:
    stored = (WEB / name).read_text(encoding="utf-8")
    assert stored == FILES[name], "write it anew: make page-types"


def test_only_a_client_may_leave_fields_out() -> None:
    """The service sends the fields with a default, too."""
    assert "  top_k?: number;" in declared("StartMessage")
    assert "  session: string;" in declared("ResumeMessage")
    assert '  type: "error";' in declared("ErrorMessage")
    assert "  retry_after_s: number | null;" in declared("ErrorMessage")


def test_lists_pairs_and_tables() -> None:
    assert "  pose: ([number, number] | null)[];" in declared("LandmarksMessage")
    assert "  alternatives: Alternative[];" in declared("FinalMessage")
    assert "  metrics: Record<string, number>;" in declared("BundleDescription")


def test_elements_by_their_ids() -> None:
    written = typescript.elements('<p>.<svg id="b"/><video id="a" muted></video></p>')
    assert written.splitlines()[4:-1] == [
        '  "a": HTMLElementTagNameMap["video"];',
        '  "b": SVGElementTagNameMap["svg"];',
    ]


def declared(name: str) -> str:
    found = re.search(
        rf"^export interface {name} {{\n(.*?)^}}$", FILES["types/messages.d.ts"], re.MULTILINE | re.DOTALL
    )
    assert found is not None, name
    return found[1]
