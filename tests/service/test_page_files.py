"""How the page's files are handed out."""

import asyncio
import gzip

import httpx
import pytest
from starlette.applications import Starlette

from service.site import page
from service.site.vendor import WEB

PACKED = {"Accept-Encoding": "gzip"}
PLAIN = {"Accept-Encoding": "identity"}


@pytest.mark.parametrize("path", ["index.html", "js/app.js", "css/base.css", "icons/icon.svg"])
def test_files_are_compressed_for_those_who_can_read_that(client, path):
    with client.stream("GET", f"/{path}", headers=PACKED) as answer:
        body = b"".join(answer.iter_raw())
    whole = (WEB / path).read_bytes()
    assert answer.headers["content-encoding"] == "gzip"
    assert "accept-encoding" in answer.headers["vary"].lower()
    assert gzip.decompress(body) == whole
    assert len(body) < 0.7 * len(whole)
    plain = client.get(f"/{path}", headers=PLAIN)
    assert "content-encoding" not in plain.headers
    assert plain.content == whole


def test_a_file_that_the_browser_has_already_is_not_sent_again(client):
    known = client.get("/js/app.js", headers=PACKED).headers["etag"]
    again = client.get("/js/app.js", headers={**PACKED, "If-None-Match": known})
    assert (again.status_code, again.content) == (304, b"")


def test_what_privacy_mode_runs_is_handed_out_as_it_is(tmp_path):
    (tmp_path / "vendor").mkdir()
    (tmp_path / "vendor" / "model.data").write_bytes(bytes(100_000))
    (tmp_path / "page.js").write_bytes(bytes(100_000))

    async def encodings():
        transport = httpx.ASGITransport(page.Page(Starlette(), tmp_path))
        async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=PACKED) as client:
            answers = [await client.get(path) for path in ("/vendor/model.data", "/page.js")]
        return [answer.headers.get("content-encoding") for answer in answers]

    assert asyncio.run(encodings()) == [None, "gzip"]
