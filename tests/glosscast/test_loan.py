import json
import threading
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from glosscast import loan
from glosscast.cli import main
from glosscast.loan import LoanError, lent
from tests.service.serving import free_port


class Service(BaseHTTPRequestHandler):
    """Notes what it is asked, and answers as it is told."""

    asked: list[tuple[str, str, str | None, bytes, str | None]]
    answers: dict[str, tuple[int, bytes]]

    def do_POST(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.asked.append((self.command, self.path, self.headers["Authorization"], body, self.headers["Content-Type"]))
        status, content = self.answers.get(self.command, (200, b"{}"))
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def service() -> Iterator[str]:
    Service.asked, Service.answers = [], {}
    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def lexicon(tmp_path: Path) -> Path:
    path = tmp_path / "my signs!.npz"
    path.write_bytes(b"PK\r\n--what a lexicon has\x00\xff")
    return path


def test_a_file_is_imported_and_deleted_again(service: str, lexicon: Path) -> None:
    with lent(service, str(lexicon), "a key") as name:
        assert loan.NAME.fullmatch(name)
        assert name.startswith("live-my-signs-")
        ((method, path, key, body, kind),) = Service.asked
        assert (method, path, key) == ("POST", f"/v1/lexicons/{name}/import", "Bearer a key")
        assert kind is not None
        form = message_from_bytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body, policy=HTTP)
        (part,) = form.iter_parts()
        assert part.get_param("name", header="content-disposition") == "file"
        assert part.get_payload(decode=True) == lexicon.read_bytes()
    assert Service.asked[1][:3] == ("DELETE", f"/v1/lexicons/{name}", "Bearer a key")


def test_two_loans_have_two_names(service: str, lexicon: Path) -> None:
    with lent(service, str(lexicon)) as one, lent(service, str(lexicon)) as other:
        assert one != other
    assert {asked[2] for asked in Service.asked} == {None}


def test_it_is_deleted_where_the_stream_failed_too(service: str, lexicon: Path) -> None:
    Service.answers["DELETE"] = (500, b"")
    with pytest.raises(ZeroDivisionError), lent(service, str(lexicon)):
        raise ZeroDivisionError
    assert [asked[0] for asked in Service.asked] == ["POST", "DELETE"]


def test_a_name_is_taken_as_it_is(service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with lent(service, "kitchen") as name:
        assert name == "kitchen"
    assert Service.asked == []
    with pytest.raises(FileNotFoundError), lent(service, "no/such/file.npz"):
        pass


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("{}", "/v1/lexicons/"),
        ("{}/", "/v1/lexicons/"),
        ("{}/v1/stream", "/v1/lexicons/"),
        ("{}/signs", "/signs/v1/lexicons/"),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "ws"])
def test_any_address_of_the_service_will_do(service: str, lexicon: Path, url: str, path: str, scheme: str) -> None:
    with lent(url.format(service).replace("http", scheme), str(lexicon)) as name:
        assert Service.asked[0][1] == f"{path}{name}/import"


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (404, json.dumps({"code": "lexicons_off", "detail": "Lexicons are off."}).encode(), "Lexicons are off."),
        (403, b"<html>", "the service refuses the lexicon: 403 Forbidden"),
        (422, b"[]", "the service refuses the lexicon: 422 Unprocessable Entity"),
    ],
)
def test_a_service_that_refuses_is_quoted(service: str, lexicon: Path, status: int, body: bytes, said: str) -> None:
    Service.answers["POST"] = (status, body)
    with pytest.raises(LoanError) as error, lent(service, str(lexicon)):
        pass
    assert str(error.value) == said
    assert [asked[0] for asked in Service.asked] == ["POST"]


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://127.0.0.1", "http://"])
def test_an_address_that_is_none_is_refused(url: str, lexicon: Path) -> None:
    with pytest.raises(LoanError, match="not an address"), lent(url, str(lexicon)):
        pass


def test_live_says_in_one_line_that_there_is_no_service(lexicon: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    assert main(["live", "clip.mp4", "--url", url, "--lexicon", str(lexicon)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("the service cannot be reached: ")
    assert len(error.splitlines()) == 1
