"""What the page's privacy mode runs: fetched once, checked, and handed out with the right headers."""

import base64
import gzip
import hashlib
import io
import tarfile
from pathlib import Path

import httpx
import pytest

from service.site import vendor
from service.site.security import HEADERS
from service.site.vendor import HOLISTIC, Package, VendorError, holistic_path, prepare
from tests.service.serving import serve

FILES = {"a.js": b"one", "deep/b.data": b""}


def tarball(files: dict[str, bytes] = FILES) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(out.getvalue(), mtime=0)  # the same bytes each time


def package(content: bytes, files: tuple[str, ...] = tuple(FILES)) -> Package:
    digest = base64.b64encode(hashlib.sha512(content).digest()).decode()
    return Package("@some/thing", "1.2.3", digest, files)


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which a stand-in for npm finds the tarball it is to give, if there is one."""
    program = tmp_path / "bin" / "npm"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\ncp {tmp_path}/thing.tgz . || {{ echo "npm error 404" >&2; exit 1; }}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return tmp_path


def test_package_is_fetched_once_and_only_needed_files_are_kept(npm: Path) -> None:
    content = tarball({**FILES, "unused.tflite": b"large"})
    (npm / "thing.tgz").write_bytes(content)
    assert prepare(package(content), npm / "vendor")
    (npm / "thing.tgz").unlink()
    assert not prepare(package(content), npm / "vendor")
    folder = npm / "vendor" / "thing-1.2.3"
    assert {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()} == FILES
    assert [f.name for f in (npm / "vendor").iterdir()] == ["thing-1.2.3"]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (package(b"another tarball"), "not the @some/thing that was pinned"),
        (package(tarball(), ("a.js", "absent.wasm")), r"absent\.wasm is missing"),
    ],
)
def test_wrong_package_leaves_nothing_behind(npm: Path, wanted: Package, message: str) -> None:
    (npm / "thing.tgz").write_bytes(tarball())
    with pytest.raises(VendorError, match=message):
        prepare(wanted, npm / "vendor")
    assert list((npm / "vendor").iterdir()) == []


def test_without_npm_or_without_the_package_the_reason_is_given(npm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(VendorError, match=r"@some/thing@1\.2\.3: npm cannot get it: npm error 404"):
        prepare(package(b""), npm / "vendor")
    monkeypatch.setenv("PATH", str(npm))
    with pytest.raises(VendorError, match="npm is not installed"):
        prepare(package(b""), npm / "vendor")


def test_set_up_goes_on_without_it(
    npm: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(vendor, "VENDOR", npm / "vendor")
    assert vendor.main() == 2
    assert "no privacy mode" in capsys.readouterr().err


def test_page_gets_the_path_or_null_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vendor, "VENDOR", tmp_path / "vendor")
    assert holistic_path() is None
    (tmp_path / "vendor" / HOLISTIC.folder).mkdir(parents=True)
    assert holistic_path() == "vendor/holistic-0.5.1675471629/"


def test_webassembly_is_allowed_to_the_worker_alone(bundle_folder: Path) -> None:
    with serve(bundle_folder) as address, httpx.Client(base_url=f"http://{address}") as client:
        policies = {path: client.get(path).headers["Content-Security-Policy"] for path in ("/", "/js/app.js")}
        assert set(policies.values()) == {HEADERS["Content-Security-Policy"]}
        assert "wasm" not in HEADERS["Content-Security-Policy"]
        worker = client.get("/js/holistic-worker.js").headers["Content-Security-Policy"]
        assert "script-src 'self' 'wasm-unsafe-eval'" in worker
        assert "'unsafe-eval'" not in worker
        assert client.get("/page.json").json()["holistic"] == holistic_path()
        assert client.get("/vendor/nothing").headers["Cache-Control"] == "no-cache"
        if folder := holistic_path():
            assert "immutable" in client.get(f"/{folder}package.json").headers["Cache-Control"]
