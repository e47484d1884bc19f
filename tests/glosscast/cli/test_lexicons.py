import json
from pathlib import Path

import pytest

from glosscast.cli import main
from glosscast.lexicon.file import load_lexicon
from service.rest.schemas import Classification, Prediction
from tests.bundles import make_bundle
from tests.glosscast.cli.conftest import Record
from tests.service.serving import EAST, FAR, NEAR


@pytest.fixture
def path(record: Record, teachable_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A lexicon of two signs."""
    path = tmp_path / "mine.npz"
    for gloss, *clips in (
        ("tea", record("a.mp4", NEAR), record("b.mp4", NEAR, sign_frames=24)),
        ("coffee", record("c.mp4", FAR)),
    ):
        options = ["--lexicon", str(path), "--bundle", str(teachable_folder), "--workers", "1"]
        assert main(["teach", gloss, *map(str, clips), *options, "--language", "ASL"]) == 0
    capsys.readouterr()
    return path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]):
    """Runs a command: its exit code, stdout and stderr."""

    def of(*arguments: str | Path) -> tuple[int, str, str]:
        code = main(list(map(str, arguments)))
        return code, *capsys.readouterr()

    return of


def test_list(path: Path, run) -> None:
    code, out, _ = run("lexicon", "list", path)
    assert code == 0
    assert out == "mine: 2 signs, taught with compass@1\n  2  tea  (ASL)\n  1  coffee  (ASL)\n"
    signs = json.loads(run("lexicon", "list", path, "--json")[1])["signs"]
    assert [(s["gloss"], s["language"], len(s["examples"])) for s in signs] == [("tea", "ASL", 2), ("coffee", "ASL", 1)]


def test_remove(path: Path, run) -> None:
    (a, b) = load_lexicon(path).sign("tea").examples
    assert run("lexicon", "remove", path, "TEA", "--example", a.id)[0] == 0
    assert [e.id for e in load_lexicon(path).sign("tea").examples] == [b.id]
    assert run("lexicon", "remove", path, "tea", "--example", a.id)[0] == 2
    assert run("lexicon", "remove", path, "tea")[0] == 0
    assert list(load_lexicon(path).signs) == ["coffee"]


def test_rename(path: Path, run) -> None:
    assert run("lexicon", "rename", path, "tea", "green tea")[0] == 0
    assert list(load_lexicon(path).signs) == ["green tea", "coffee"]
    code, _, err = run("lexicon", "rename", path, "green tea", "Coffee")
    assert (code, err) == (2, "'coffee' is in the lexicon already\n")


@pytest.mark.parametrize("action", [["list"], ["check"], ["remove", "tea"], ["rename", "tea", "x"]])
def test_a_file_that_is_missing_or_damaged_is_named(action: list[str], run, tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    command = ["lexicon", action[0], path, *action[1:]]
    code, _, err = run(*command)
    assert (code, err) == (2, f"{path}: No such file or directory\n")
    assert list(tmp_path.iterdir()) == []
    path.write_bytes(b"no lexicon")
    code, _, err = run(*command)
    assert (code, err) == (2, f"{path}: not a lexicon\n")


def test_check(path: Path, run, teachable_folder: Path) -> None:
    code, out, _ = run("lexicon", "check", path, "--bundle", teachable_folder)
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == f"{path}: sound; 2 signs, taught with compass@1"
    assert lines[1].startswith("tea: 2 examples, alike by 0.99 of 1")
    assert lines[2] == "coffee: 1 example"
    answer = json.loads(run("lexicon", "check", path, "--bundle", teachable_folder, "--json")[1])
    assert answer["bundle"] == "compass@1"
    assert [(s["gloss"], s["outliers"], s["look_alikes"]) for s in answer["signs"]] == [
        ("tea", [], []),
        ("coffee", [], []),
    ]
    assert answer["signs"][0]["consistency"] == pytest.approx(1, abs=0.01)
    assert answer["signs"][1]["consistency"] is None


def test_with_another_bundle_signs_are_embedded_anew(path: Path, run, tmp_path: Path) -> None:
    other = make_bundle(tmp_path / "other", fragile=True, teachable=True)
    before = path.read_bytes()
    code, out, _ = run("lexicon", "check", path, "--bundle", other)
    assert code == 0
    assert "taught with compass@1, read with compass@1" in out
    assert run("find", tmp_path / "a.mp4", "--lexicon", path, "--bundle", other)[0] == 0
    assert path.read_bytes() == before
    old = load_lexicon(path).model
    clip = tmp_path / "c.mp4"
    assert run("teach", "x", clip, "--lexicon", path, "--bundle", other, "--workers", "1")[0] == 0
    new = load_lexicon(path)
    assert new.model != old
    assert list(new.signs) == ["tea", "coffee", "x"]


def test_find(path: Path, run, teachable_folder: Path, record: Record) -> None:
    clip = record("new.mp4", FAR, sign_frames=30)
    code, out, _ = run("find", clip, "--lexicon", path, "--bundle", teachable_folder, "--json")
    assert code == 0
    answer = json.loads(out)
    assert set(answer) == {"matches"}
    assert [match["gloss"] for match in answer["matches"]] == ["coffee", "tea"]
    assert answer["matches"][0]["score"] == pytest.approx(1, abs=0.05)
    code, out, _ = run("find", clip, "--lexicon", path, "--bundle", teachable_folder, "--top-k", "1")
    assert out.split() == [f"{answer['matches'][0]['score']:.3f}", "coffee"]


def test_find_says_why_a_clip_cannot_be_looked_up(path: Path, run, teachable_folder: Path, record: Record) -> None:
    clip = record("east.mp4", EAST)
    code, _, err = run("find", clip, "--lexicon", path, "--bundle", teachable_folder)
    assert (code, err) == (2, f"{clip}: no hand was found\n")


def test_classify_reads_taught_signs(path: Path, run, teachable_folder: Path, record: Record) -> None:
    clip = record("new.mp4", FAR, sign_frames=30)
    code, out, _ = run("classify", clip, "--bundle", teachable_folder, "--lexicon", path, "--json")
    answer = json.loads(out)
    assert code == 0
    assert set(answer) == {"clip", *Classification.model_fields}
    assert set(answer["predictions"][0]) == set(Prediction.model_fields)
    assert answer["predictions"][0]["gloss"] == "coffee"
    assert [sign["gloss"] for sign in answer["signs"]] == ["coffee"]
    assert {p["gloss"] for p in answer["predictions"]} == {"east", "west", "rest", "tea", "coffee"}
    out = run("classify", clip, "--bundle", teachable_folder)[1]
    assert "coffee" not in out


def test_classify_still_reads_signs_of_the_bundle(path: Path, run, teachable_folder: Path, record: Record) -> None:
    clip = record("east.mp4", EAST)
    out = run("classify", clip, "--bundle", teachable_folder, "--lexicon", path)[1]
    assert out.splitlines()[0].endswith("east")


def test_classify_says_what_is_confusable(path: Path, run, teachable_folder: Path, record: Record, tmp_path) -> None:
    twin = record("twin.mp4", NEAR, sign_frames=22)
    run("teach", "cup", twin, "--lexicon", path, "--bundle", teachable_folder, "--workers", "1")
    answer = json.loads(
        run("classify", tmp_path / "a.mp4", "--bundle", teachable_folder, "--lexicon", path, "--json")[1]
    )
    confusable = {p["gloss"]: p["confusable_with"] for p in answer["predictions"]}
    assert confusable["cup"] == ["tea"]
    assert confusable["tea"] == ["cup"]
    assert confusable["east"] == ["west"]


def test_classify_refuses_a_file_that_is_no_lexicon(run, record: Record, tmp_path: Path) -> None:
    (tmp_path / "mine.npz").write_bytes(b"")
    code, _, err = run("classify", record("a.mp4", NEAR), "--lexicon", tmp_path / "mine.npz")
    assert (code, err) == (2, f"{tmp_path / 'mine.npz'}: not a lexicon\n")
