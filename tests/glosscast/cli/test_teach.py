import errno
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from glosscast.cli import course as course_module
from glosscast.cli import main, recordings
from glosscast.lexicon import editing, signs
from glosscast.lexicon.signs import MAX_EXAMPLES
from tests.glosscast.cli.conftest import Record
from tests.service.serving import EAST, FAR, NEAR, NOBODY

ROOT = Path(__file__).parents[3]


def test_a_sign_is_taught_from_clips(record: Record, teaching, lexicon) -> None:
    clips = [record("a.mp4", NEAR), record("b.webm", NEAR, sign_frames=24)]
    code, out, err = teaching("tea", *clips, "--language", "ASL")
    assert (code, err) == (0, "")
    assert out.splitlines()[0].startswith("tea: 2 examples, alike by ")
    assert out.splitlines()[-1].endswith("mine.npz: 2 clips taught; 1 sign")
    assert lexicon().name == "mine"
    assert lexicon().bundle == "compass@1"
    assert lexicon().sign("tea").language == "ASL"


def test_more_examples_are_added_and_the_same_clip_is_known(record: Record, teaching, lexicon) -> None:
    clip = record("a.mp4", NEAR)
    teaching("tea", clip)
    code, out, _ = teaching("TEA", clip, record("b.mp4", NEAR, sign_frames=24))
    assert code == 0
    assert out.splitlines()[-1].endswith("1 clip taught, 1 known already; 1 sign")
    assert len(lexicon().sign("tea").examples) == 2


def test_as_json_it_says_what_is_known_of_the_sign(record: Record, teaching) -> None:
    teaching("tea", record("a.mp4", NEAR))
    twin = record("twin.mp4", NEAR, sign_frames=21)
    code, out, _ = teaching("coffee", twin, record("b.mp4", NEAR, sign_frames=24), "--json")
    answer = json.loads(out)
    assert code == 0
    assert (answer["bundle"], answer["taught"], answer["known"], answer["failed"]) == ("compass@1", 2, 0, [])
    (sign,) = answer["signs"]
    assert sign["gloss"] == "coffee"
    assert len(sign["examples"]) == 2
    assert sign["consistency"] == pytest.approx(1, abs=0.05)
    assert [(other["gloss"], other["taught"]) for other in sign["look_alikes"]] == [("tea", True)]
    assert 0.1 <= sign["look_alikes"][0]["risk"] < 1


def test_the_example_that_does_not_fit_is_named_by_its_clip(record: Record, teaching) -> None:
    odd = record("odd.mp4", FAR)
    clips = [record(f"{i}.mp4", NEAR, sign_frames=20 + i) for i in range(3)]
    _, out, _ = teaching("tea", *clips, odd)
    (line,) = [line for line in out.splitlines() if "does not fit" in line]
    assert line.endswith(f" ({odd}) does not fit the others")


def test_a_look_alike_of_the_bundle_is_named_with_its_risk(record: Record, teaching) -> None:
    teaching("tea", record("a.mp4", NEAR))
    _, out, _ = teaching("cup", record("b.mp4", NEAR, sign_frames=22))
    (line,) = [line for line in out.splitlines() if "is read as" in line]
    assert line.startswith("  is read as tea (taught) with a risk of ")


def test_what_cannot_be_taught_is_said_and_the_rest_is_taught(record: Record, teaching, lexicon, tmp_path) -> None:
    (tmp_path / "text.mp4").write_text("just text")
    nobody, hands = record("nobody.mp4", NOBODY, rest_frames=0), record("hands.mp4", EAST)
    clips = [record("a.mp4", NEAR), nobody, hands, tmp_path / "text.mp4", tmp_path / "missing.mp4"]
    code, out, err = teaching("tea", *clips)
    assert code == 1
    assert out.splitlines()[-1].endswith("1 clip taught, 4 failed; 1 sign")
    failed = dict(line.split(": ", 1) for line in err.splitlines())
    assert failed[str(nobody)] == "nobody is in view"
    assert failed[str(hands)] == "no hand was found"
    assert failed[str(tmp_path / "missing.mp4")] == "No such file or directory"
    assert "text.mp4" in err
    code, out, _ = teaching("tea", *clips, "--json")
    codes = {Path(f["clip"]).name: f["code"] for f in json.loads(out)["failed"]}
    assert codes == {
        "nobody.mp4": "no_signer",
        "hands.mp4": "no_hands",
        "missing.mp4": "unreadable",
        "text.mp4": "unsupported_media",
    }
    assert len(lexicon().sign("tea").examples) == 1


def test_where_nothing_could_be_taught_no_file_is_made(teaching, tmp_path: Path) -> None:
    code, _, _ = teaching("tea", tmp_path / "missing.mp4")
    assert code == 1
    assert not (tmp_path / "mine.npz").exists()


@pytest.mark.parametrize("gloss", ["", "\u202etea", "x" * 65, "rest", "Rest"])
def test_a_gloss_that_cannot_be_taught_is_refused(record: Record, teaching, gloss: str, tmp_path: Path) -> None:
    code, _, err = teaching(gloss, record("a.mp4", NEAR))
    assert code == 2
    assert err.splitlines()[0]
    assert not (tmp_path / "mine.npz").exists()


@pytest.mark.parametrize(
    "arguments", [["teach"], ["teach", "tea"], ["teach", "tea", "a.mp4", "--folder", "x"], ["teach", "--folder", "x"]]
)
def test_a_command_line_that_says_too_little_is_refused(arguments: list[str]) -> None:
    options = [] if arguments == ["teach", "--folder", "x"] else ["--lexicon", "x.npz"]
    with pytest.raises(SystemExit) as ended:
        main([*arguments, *options])
    assert ended.value.code == 2


def test_a_folder_is_taught_and_a_second_run_skips_what_was(record: Record, teaching, lexicon, monkeypatch) -> None:
    record("set/tea/a.mp4", NEAR)
    record("set/tea/B.MP4", NEAR, sign_frames=24)
    folder = record("set/a cup/a.mov", FAR).parents[1]
    (folder / "tea" / "notes.txt").write_text("no clip")
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "a.mp4").write_text("no clip")
    (folder / "tea" / "._a.mp4").write_text("what macOS leaves on memory sticks")
    code, out, err = teaching("--folder", folder)
    assert (code, err) == (0, "")
    assert {(s.gloss, len(s.examples)) for s in lexicon()} == {("tea", 2), ("a cup", 1)}
    record("set/tea/c.mp4", NEAR, sign_frames=26)
    seen: list[Path] = []
    original = recordings.keypoints_of
    monkeypatch.setattr(
        recordings, "keypoints_of", lambda path, *options: seen.append(path) or original(path, *options)
    )
    code, out, _ = teaching("--folder", folder)
    assert code == 0
    assert [path.name for path in seen] == ["c.mp4"]
    assert out.splitlines()[-1].endswith("1 clip taught, 3 known already; 2 signs")
    assert out.startswith("a cup: 1 example\ntea: 3 examples")


def test_what_fails_in_a_folder_is_said_at_the_end(record: Record, teaching, lexicon) -> None:
    folder = record("set/tea/a.mp4", NEAR).parents[1]
    record("set/rest/a.mp4", NEAR)
    bad = record("set/tea/b.mp4", EAST)
    code, _, err = teaching("--folder", folder)
    assert code == 1
    assert err.splitlines()[-1] == f"{bad}: no hand was found"
    assert f"{folder / 'rest' / 'a.mp4'}: 'rest' is what compass@1 reads where nothing is signed" in err
    assert [s.gloss for s in lexicon()] == ["tea"]


def test_a_folder_without_clips_is_refused(teaching, tmp_path: Path) -> None:
    (tmp_path / "set" / "tea").mkdir(parents=True)
    code, _, err = teaching("--folder", tmp_path / "set")
    assert code == 2
    assert "no clips" in err
    code, _, err = teaching("--folder", tmp_path / "nowhere")
    assert code == 2
    assert str(tmp_path / "nowhere") in err


def test_more_clips_than_a_sign_may_have_fail_unread(record: Record, teaching, lexicon) -> None:
    clips = [record(f"set/tea/{i:02}.mp4", NEAR, sign_frames=16 + i) for i in range(MAX_EXAMPLES + 1)]
    code, _, err = teaching("--folder", clips[0].parents[1])
    assert code == 1
    assert err.splitlines()[-1] == f"{clips[-1]}: a sign has {MAX_EXAMPLES} examples at most"
    assert len(lexicon().sign("tea").examples) == MAX_EXAMPLES


def test_twenty_thousand_signs_are_refused_before_a_clip_is_read(teaching, tmp_path: Path) -> None:
    for i in range(20_000):
        (tmp_path / "set" / f"s{i}").mkdir(parents=True)
    for i in range(signs.MAX_SIGNS + 1):
        (tmp_path / "set" / f"s{i}" / "a.mp4").touch()
    code, _, err = teaching("--folder", tmp_path / "set")
    assert code == 2
    assert "5000 signs at most" in err


def test_a_full_lexicon_takes_no_other_sign(record: Record, teaching, lexicon, monkeypatch) -> None:
    teaching("tea", record("a.mp4", NEAR))
    monkeypatch.setattr(signs, "MAX_SIGNS", 1)
    code, _, err = teaching("coffee", record("b.mp4", FAR))
    assert code == 1
    assert "a lexicon holds 1 signs at most" in err
    assert len(lexicon()) == 1


def test_on_a_full_disk_what_was_stored_stays(record: Record, teaching, lexicon, monkeypatch) -> None:
    teaching("tea", record("a.mp4", NEAR))

    def full(lexicon, path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(editing, "save_lexicon", full)
        code, _, err = teaching("coffee", record("b.mp4", FAR))
    assert code == 2
    assert err.splitlines()[-1].endswith(
        "No space left on device; 0 clips of this run stored, 1 clip not stored: put that right and run this again"
    )
    assert len(lexicon()) == 1
    assert teaching("coffee", record("b.mp4", FAR))[0] == 0


@pytest.mark.parametrize("how", ["by hand", "by a signal"])
def test_interrupted_it_keeps_what_was_taught(record: Record, teaching, lexicon, monkeypatch, how: str) -> None:
    folder = record("set/a/a.mp4", NEAR).parents[1]
    record("set/b/a.mp4", FAR)
    original = recordings.keypoints_of

    def reading(path: Path, *options):
        if path.parent.name == "b":
            if how == "by hand":
                raise KeyboardInterrupt
            os.kill(os.getpid(), signal.SIGTERM)
        return original(path, *options)

    before = signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as patch:
        patch.setattr(recordings, "keypoints_of", reading)
        code, out, err = teaching("--folder", folder)
    assert code == 130
    assert "interrupted" in err
    assert "1 clip taught" in out
    assert signal.getsignal(signal.SIGTERM) is before
    assert [s.gloss for s in lexicon()] == ["a"]
    assert "1 clip taught, 1 known already" in teaching("--folder", folder)[1]


def test_it_is_stored_every_few_seconds(record: Record, teaching, monkeypatch) -> None:
    monkeypatch.setattr(course_module, "STORE_S", 0.0)
    monkeypatch.setattr(course_module, "SHARE", 0.0)
    stored: list[int] = []
    original = editing.save_lexicon
    monkeypatch.setattr(editing, "save_lexicon", lambda new, path: stored.append(len(new)) or original(new, path))
    folder = record("set/a/a.mp4", NEAR).parents[1]
    record("set/b/a.mp4", FAR)
    _, _, err = teaching("--folder", folder)
    assert stored == [1, 2]
    assert err.splitlines() == ["1 of 2 clips, 0 failed", "2 of 2 clips, 0 failed"]


def test_what_another_program_adds_meanwhile_is_kept(record: Record, teaching, lexicon, monkeypatch) -> None:
    other = record("other.mp4", FAR)
    original = recordings.keypoints_of

    def reading(path: Path, *options):
        if path != other:
            monkeypatch.setattr(recordings, "keypoints_of", original)
            assert teaching("coffee", other)[0] == 0
        return original(path, *options)

    monkeypatch.setattr(recordings, "keypoints_of", reading)
    assert teaching("tea", record("a.mp4", NEAR))[0] == 0
    assert [s.gloss for s in lexicon()] == ["coffee", "tea"]


def test_where_no_file_can_be_made_no_clip_is_read(record: Record, teaching, tmp_path: Path, monkeypatch) -> None:
    clip = record("a.mp4", NEAR)
    monkeypatch.setattr(recordings, "keypoints_of", lambda *options: pytest.fail("a clip was read"))
    code, _, err = teaching("tea", clip, "--lexicon", tmp_path / "nowhere" / "mine.npz")
    assert (code, err) == (2, f"{tmp_path / 'nowhere'}: No such file or directory\n")


def test_a_file_that_is_no_lexicon_is_not_written_over(record: Record, teaching, tmp_path: Path) -> None:
    (tmp_path / "mine.npz").write_bytes(b"precious")
    code, _, err = teaching("tea", record("a.mp4", NEAR))
    assert code == 2
    assert "mine.npz: not a lexicon" in err
    assert (tmp_path / "mine.npz").read_bytes() == b"precious"


def test_a_bundle_that_cannot_be_taught_is_refused(record: Record, bundle_folder: Path, tmp_path, capsys) -> None:
    arguments = ["teach", "tea", str(record("a.mp4", NEAR)), "--lexicon", str(tmp_path / "mine.npz")]
    assert main([*arguments, "--bundle", str(bundle_folder)]) == 2
    assert "no sign can be taught to compass@1" in capsys.readouterr().err


def test_a_clip_of_two_signs_is_warned_of(record: Record, teaching) -> None:
    code, _, err = teaching("tea", record("a.mp4", NEAR, FAR, rest_frames=24))
    assert code == 0
    assert "2 signs were found in the clip" in err


def test_a_terminal_sees_one_line_that_changes(record: Record, teaching, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    folder = record("set/a/a.mp4", NEAR).parents[1]
    _, _, err = teaching("--folder", folder)
    assert err == "\r\x1b[K1 of 1 clip, 0 failed\r\x1b[K"
