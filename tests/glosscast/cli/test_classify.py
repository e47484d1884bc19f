"""`glosscast classify`, of one clip and of many, in each format."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import webvtt

from glosscast.cli import classify, main, progress
from glosscast.cli.recordings import read_all
from service.rest.schemas import Classification, ClipSign, Prediction, Timings
from tests.bundles import FRAME_MS, THRESHOLD, UNSURE_FRAMES, strict
from tests.glosscast.cli.conftest import Record
from tests.glosscast.cli.test_recordings import a_reading
from tests.sentence_bundles import make_sentence_bundle, make_window_bundle
from tests.service.serving import DOWN, EAST, NOBODY, WEST, CrowdTracker, video

Classify = Callable[..., tuple[int, str, str]]


@pytest.fixture
def classified(bundle_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Classify:
    """Runs `classify` with a strict bundle: its exit code, stdout and stderr."""
    bundle = strict(bundle_folder, tmp_path / "strict")

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        code = main(["classify", *map(str, arguments), "--bundle", str(bundle), "--workers", "1"])
        return code, *capsys.readouterr()

    return run


def test_each_sign_of_a_clip_is_printed_with_its_time(record: Record, classified: Classify) -> None:
    code, out, err = classified(record("two.mp4", EAST, WEST))
    assert (code, err) == (0, "")
    east, west = out.splitlines()
    assert east.endswith("%  east")
    assert west.endswith("%  west")
    assert east.startswith("0:00.8 to 0:01.")
    assert west.startswith("0:02.8 to 0:0")


def test_below_the_threshold_there_is_no_known_sign_but_guesses(record: Record, classified: Classify) -> None:
    code, out, _ = classified(record("a.mp4", EAST, sign_frames=UNSURE_FRAMES))
    assert code == 0
    first, *guesses = out.splitlines()
    assert first == "no known sign; the closest are"
    assert [line.split()[-1] for line in guesses] == ["east"]  # neither "rest" nor what is out of the question


def test_a_clip_without_any_movement_names_no_sign(record: Record, classified: Classify) -> None:
    path = record("a.mp4")
    path.write_bytes(video([DOWN] * 30))
    assert classified(path)[1].splitlines()[0] == "no known sign; the closest are"
    assert json.loads(classified(path, "--json")[1])["known"] is False


def test_a_sure_sign_in_a_clip_without_a_rest_is_that_of_the_whole_clip(record: Record, classified: Classify) -> None:
    path = record("a.mp4")
    path.write_bytes(video([EAST] * 2))  # too short for the segmenter
    out = classified(path)[1]
    assert out.endswith("%  east\n")
    assert out.startswith("0:00.0 to 0:00.1")


@pytest.mark.parametrize("make", [make_sentence_bundle, make_window_bundle])
def test_the_signs_of_a_sentence_are_named_in_each_format(
    record: Record, make: Callable[[Path], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = record("a.mp4")
    path.write_bytes(video([DOWN] * 20 + [EAST] * 12 + [DOWN] * 6 + [WEST] * 12 + [DOWN] * 30))
    options = ["classify", str(path), "--bundle", str(make(tmp_path / "bundle")), "--format"]
    said = {}
    for form in ("table", "json", "vtt"):
        assert main([*options, form]) == 0
        said[form] = capsys.readouterr().out
    assert [line.split()[-1] for line in said["table"].splitlines()] == ["east", "west"]
    assert said["vtt"].count("-->") == 1
    assert said["vtt"].endswith("east west\n")
    answer = json.loads(said["json"])
    assert set(answer) == {"clip", *Classification.model_fields}
    assert (answer["known"], answer["glosses"], answer["predictions"]) == (True, ["east", "west"], [])
    assert all(set(sign) == set(ClipSign.model_fields) and sign["utterance"] == 0 for sign in answer["signs"])
    path.write_bytes(video([DOWN] * 40))
    assert main([*options, "table"]) == 0
    assert capsys.readouterr().out == "no known sign\n"


def test_signs_are_not_taught_to_a_bundle_of_sentences(
    record: Record, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = ["--bundle", str(make_sentence_bundle(tmp_path / "bundle"))]
    assert main(["teach", "tea", str(record("tea.mp4", EAST)), "--lexicon", str(tmp_path / "mine.npz"), *bundle]) == 2
    assert "no sign can be taught to needle@1: its manifest has no `lexicon`" in capsys.readouterr().err


def test_json_is_the_answer_of_rest_with_the_clip(record: Record, classified: Classify) -> None:
    path = record("east.mp4", EAST)
    answer = json.loads(classified(path, "--json")[1])
    assert set(answer) == {"clip", *Classification.model_fields}
    assert set(answer["timings_ms"]) == set(Timings.model_fields)
    assert set(answer["predictions"][0]) == set(Prediction.model_fields)
    assert (answer["clip"], answer["bundle"]) == (str(path), "compass@1")
    assert (answer["known"], answer["threshold"]) == (True, THRESHOLD)
    assert answer["predictions"][0]["gloss"] == "east"
    assert answer["predictions"][0]["confusable_with"] == ["west"]
    assert [sign["gloss"] for sign in answer["signs"]] == ["east"]
    assert answer["frames"] == 44
    assert answer["duration_ms"] == pytest.approx(43 * FRAME_MS, abs=2)


def test_several_people_are_warned_of(record: Record, classified: Classify, monkeypatch: pytest.MonkeyPatch) -> None:
    path = record("a.mp4", EAST)
    monkeypatch.setattr("glosscast.cli.recordings.new_tracker", lambda **of: CrowdTracker())
    code, out, err = classified(path)
    assert (code, out.split()[-1]) == (0, "east")
    assert err.startswith(f"{path}: several people are in view")
    _, out, err = classified(path, "--json")
    assert (json.loads(out)["warnings"], err) == (["several_people"], "")


def test_top_k_is_the_number_of_guesses(record: Record, classified: Classify) -> None:
    answer = json.loads(classified(record("a.mp4", EAST), "--format", "json", "--top-k", "2")[1])
    assert len(answer["predictions"]) == 2
    path = record("b.mp4")
    path.write_bytes(video([DOWN] * 30))
    assert len(classified(path, "--top-k", "1")[1].splitlines()) == 2


def test_files_and_folders_are_read_in_order_and_each_once(record: Record, classified: Classify) -> None:
    last = record("z.mp4", WEST)
    folder = record("set/b/two.MOV", EAST).parents[1]
    first = record("set/a.webm", WEST)
    record("set/.hidden/c.mp4", EAST)
    record("set/._a.mp4", EAST)
    (folder / "notes.txt").write_text("no clip")
    code, out, err = classified(last, folder, first, "--format", "json")
    assert (code, err) == (0, "")
    answers = [json.loads(line) for line in out.splitlines()]
    assert [answer["clip"] for answer in answers] == [str(last), str(first), str(folder / "b" / "two.MOV")]
    assert [answer["predictions"][0]["gloss"] for answer in answers] == ["west", "west", "east"]
    assert [line for line in classified(folder)[1].splitlines() if not line.startswith(" ")] == [
        str(first),
        str(folder / "b" / "two.MOV"),
    ]


def test_what_cannot_be_read_is_said_and_the_others_go_on(record: Record, classified: Classify, tmp_path: Path) -> None:
    broken = record("set/a.mp4")
    broken.write_text("no video")
    nobody = record("set/b.mp4")
    nobody.write_bytes(video([NOBODY] * 20))
    record("set/c.mp4", EAST)
    gone = tmp_path / "gone.mp4"
    (tmp_path / "empty").mkdir()
    code, out, err = classified(tmp_path / "empty", broken.parent, gone, "--json")
    assert code == 1
    assert [json.loads(line)["clip"] for line in out.splitlines()] == [str(broken.parent / "c.mp4")]
    assert err.splitlines()[0] == f"{tmp_path / 'empty'}: no clips"
    assert err.splitlines()[1].startswith(f"{broken}: ")
    assert err.splitlines()[2:] == [
        f"{nobody}: nobody is in view",
        f"{gone}: No such file or directory",
    ]


def test_where_nothing_can_be_read_it_says_so_by_its_exit_code(classified: Classify, tmp_path: Path) -> None:
    assert classified(tmp_path)[::2] == (2, f"{tmp_path}: no clips\n")
    assert classified(tmp_path / "a.mp4", tmp_path / "b.mp4")[0] == 2


def test_csv_has_a_row_for_each_sign_and_never_a_guess_for_a_gloss(record: Record, classified: Classify) -> None:
    signs = record("a, b.mp4", EAST, WEST)
    guess = record("c.mp4", EAST, sign_frames=UNSURE_FRAMES)
    out = classified(signs, guess, "--format", "csv")[1]
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [(row["clip"], row["gloss"], row["closest"]) for row in rows] == [
        (str(signs), "east", ""),
        (str(signs), "west", ""),
        (str(guess), "", "east"),
    ]
    assert float(rows[0]["start_ms"]) < float(rows[0]["end_ms"]) < float(rows[1]["start_ms"])
    assert 0 < float(rows[2]["closest_confidence"]) < THRESHOLD <= float(rows[0]["confidence"])


def test_captions_of_one_clip_are_printed(record: Record, classified: Classify) -> None:
    out = classified(record("a.mp4", EAST, WEST), "--format", "vtt")[1]
    assert [caption.text for caption in webvtt.from_string(out)] == ["east", "west"]


def test_captions_of_several_clips_are_files(record: Record, classified: Classify, tmp_path: Path) -> None:
    folder = record("set/one/a.mp4", EAST).parents[1]
    record("set/two/a.mp4", EAST, sign_frames=UNSURE_FRAMES)
    out = tmp_path / "made" / "captions"
    assert classified(folder, record("b.mp4", WEST), "--format", "vtt", "--out", out) == (0, "", "")
    made = {file.relative_to(out).as_posix(): webvtt.read(str(file)) for file in out.rglob("*.vtt")}
    texts = {name: [caption.text for caption in captions] for name, captions in made.items()}
    assert texts == {"one/a.vtt": ["east"], "two/a.vtt": [], "b.vtt": ["west"]}


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        pytest.param(["--format", "vtt"], "with --out DIR", id="nowhere to make them"),
        pytest.param(["--format", "csv", "--out", "made"], "--out is for --format vtt", id="no captions"),
        pytest.param(["--format", "vtt", "--out", "made"], "would both become made/a.vtt", id="one name for two"),
        pytest.param(["--format", "json", "--json"], "not allowed with", id="two formats"),
    ],
)
def test_options_that_do_not_go_together_are_refused_before_a_clip_is_read(
    record: Record, classified: Classify, options: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        classified(record("a.mp4", EAST), record("a.mov", EAST), *options)
    assert ended.value.code == 2
    assert reason in capsys.readouterr().err


def test_progress_is_shown_on_a_terminal_alone(
    record: Record, classified: Classify, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = record("set/a.mp4", EAST).parent
    record("set/b.mp4", EAST).write_text("no video")
    assert len(classified(folder)[2].splitlines()) == 1
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True)
    _, out, err = classified(folder)
    assert "1 of 2 clips, 0 failed" in err
    assert "2 of 2 clips, 1 failed" in err
    assert progress.CLEAR_LINE not in out


def test_interrupted_it_ends_without_a_trace(
    record: Record, classified: Classify, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(classify, "read_here", interrupt)
    assert classified(record("a.mp4", EAST)) == (130, "", "")


@pytest.mark.slow
def test_of_many_clips_the_answers_come_in_order_whichever_is_done_first(
    bundle_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"{letter}.mp4" for letter in "abcdef"]
    for name in names:
        (tmp_path / name).write_text("no video")
    assert main(["classify", str(tmp_path), "--bundle", str(bundle_folder), "--workers", "2"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [str(tmp_path / name) for name in names]


@pytest.mark.slow
def test_a_process_that_is_killed_ends_it_in_one_line(
    bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def reading(items, fps, workers, read):
        return read_all(items, fps, workers, a_reading)

    monkeypatch.setattr(classify, "read_all", reading)
    for name in ("a", "kills"):
        (tmp_path / name).write_text("no video")
    code = main(
        ["classify", str(tmp_path / "kills"), str(tmp_path / "a"), "--bundle", str(bundle_folder), "--workers", "2"]
    )
    assert code == 2
    assert "was killed" in capsys.readouterr().err.splitlines()[-1]
