import json
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from glosscast.keypoints import Pose
from tests.training.labels import made
from tests.training.synthetic import GLOSSES
from training.__main__ import main
from training.config import Config, Correction, load_config
from training.data import DataError, Example, classes_of, load_sets
from training.labels import audit as whole
from training.labels.findings import LabelAudit, find
from training.labels.out_of_sample import AuditPlan, load_everybody, plan_audit, read, read_everybody
from training.labels.text import propose, report, to_toml
from training.models.checkpoint import Checkpoint
from training.models.recogniser import IsolatedRecogniser


def reader(examples: list[Example]) -> np.ndarray:
    """Probabilities by the height of the hand, which the clips are made by."""
    heights = np.array([e.clip.keypoints[:, 16, 1].mean() for e in examples])
    shoulders = np.array([e.clip.keypoints[:, 11:13, 1].mean() for e in examples])
    middles = np.array([-0.17, 0.17, 0.45])
    likely = np.exp(-(((heights - shoulders)[:, None] - middles) ** 2) / 0.02)
    return np.asarray(likely / likely.sum(axis=1, keepdims=True), np.float32)


@pytest.fixture
def loaded(tmp_path: Path) -> tuple[AuditPlan, list[Example]]:
    config = load_config(made.write(tmp_path))
    examples = load_everybody(config, tmp_path)
    return plan_audit(config, examples, 3), examples


def untrained(config: Config, examples: list[Example]) -> Checkpoint:
    """What training would leave behind, less the training."""
    classes = classes_of(examples, config.data)
    state = IsolatedRecogniser(config.model, len(classes), config.clip.alpha).state_dict()
    return Checkpoint(config, classes, state, confusion=None, signers={})


def found(plan: AuditPlan, examples: list[Example]) -> LabelAudit:
    return find(plan, examples, reader(examples))


def test_planted_labels_are_found_and_no_others(loaded: tuple[AuditPlan, list[Example]]) -> None:
    audit = found(*loaded)
    renamed = {(g.signer, g.gloss, g.suggested, g.reading, g.source) for g in audit.of("renamed")}
    assert renamed == {
        ("ann1", "high", "low", "low", "place of ann1"),
        ("ann1", "low", "high", "high", "place of ann1"),
    }
    (wrong,) = audit.of("wrong clips")
    assert (wrong.signer, wrong.gloss, wrong.clips, wrong.suggested, wrong.reading) == (
        "bea2",
        "no sign",
        5,
        None,
        "no sign",
    )
    assert [(s.clip, s.suggested) for s in wrong.suspects] == [(made.WRONG, "low")]
    assert wrong.suspects[0].own < 0.3 < wrong.suspects[0].probability
    assert len(audit.of("fine")) == 15
    assert list(audit.thresholds) == sorted(GLOSSES)


def test_a_group_is_renamed_only_where_most_clips_are_suspected_to_be_the_same(
    loaded: tuple[AuditPlan, list[Example]],
) -> None:
    plan, examples = loaded
    halves = [replace(e, gloss="low") if e.index in range(24, 28) else e for e in examples]
    (group,) = [g for g in found(plan, halves).groups if (g.signer, g.gloss) == ("cem1", "low")]
    assert (group.clips, len(group.suspects), group.verdict) == (8, 4, "wrong clips")


def test_the_proposal_is_a_correction_file_that_mends_the_labels(
    tmp_path: Path, loaded: tuple[AuditPlan, list[Example]]
) -> None:
    plan, examples = loaded
    (tmp_path / "proposed.toml").write_text(to_toml(propose(found(plan, examples))))
    path = tmp_path / "tiny.toml"
    path.write_text(path.read_text().replace("[data]", '[data]\ncorrections = "proposed.toml"'))
    mended = load_sets(load_config(path).data, tmp_path)
    assert [e.gloss for e in mended[:8]] == ["high"] * 4 + ["low"] * 4
    assert made.WRONG not in {e.index for e in mended}
    assert len(mended) == 71


def test_a_gloss_that_a_correction_renamed_is_not_proposed_again(loaded: tuple[AuditPlan, list[Example]]) -> None:
    plan, examples = loaded
    renamed = [replace(e, renamed_from="no sign") if e.signer == "ann1" and e.gloss == "low" else e for e in examples]
    assert {(c.signer, c.gloss) for c in propose(found(plan, renamed))} == {("ann1", "high"), ("bea2", "no sign")}


def test_names_with_quotes_survive_the_proposal() -> None:
    odd = Correction(file="a.npz", signer='says "a\\b"', gloss="grüß", clips=(1, 2), why="It\tis.")
    assert tomllib.loads(to_toml([odd]))["corrections"] == [
        {"file": "a.npz", "signer": 'says "a\\b"', "gloss": "grüß", "clips": [1, 2], "why": "It\tis."}
    ]


def test_the_report_has_a_table_for_each_source_and_gloss(loaded: tuple[AuditPlan, list[Example]]) -> None:
    audit = found(*loaded)
    text = report(audit, {audit.groups[0]: Path("pictures/a.png")})
    sure = next(g.sure for g in audit.groups if (g.signer, g.gloss) == ("ann1", "high"))
    assert 0.9 < sure <= 1.0
    assert f"| place of ann1 | ann1 | high | 4 | low 4 | {sure:.2f} | low |" in text
    assert "[look](pictures/a.png)" in text
    assert "| place of bea2 | 1 | 12 | 1 | no sign → low, 1 |" in text
    assert "| high | 6 | 24 | 4 | high → low, 4 |" in text
    assert "No file says its sources" not in text


def test_signers_are_read_by_models_that_have_not_seen_them(
    tmp_path: Path, loaded: tuple[AuditPlan, list[Example]], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, examples = loaded
    alone = [replace(e, gloss="rare") if e.signer == "cem2" and e.gloss == "low" else e for e in examples]
    plan = plan_audit(plan.config, alone, 3)
    assert plan.unjudged == {"rare": "one signer"}
    learned: list[set[str]] = []

    def noted(config: Config, examples: list[Example], progress: bool) -> Checkpoint:
        assert config.loss.adaptive is None
        assert config.model.streams == ("keypoints",)
        learned.append({e.signer for e in examples})
        return untrained(config, examples)

    monkeypatch.setattr("training.labels.out_of_sample.fit", noted)
    probabilities = read_everybody(plan, alone, tmp_path)
    assert learned == [set(made.SIGNERS) - set(group) for group in plan.groups]
    assert [bool(np.isnan(row).all()) for row in probabilities] == [e.gloss == "rare" for e in alone]
    again = read_everybody(plan, alone, tmp_path)
    assert len(learned) == 3
    np.testing.assert_array_equal(again, probabilities)
    others = replace(plan, groups=plan.groups[::-1])
    with pytest.raises(ValueError, match=r"group0\.pt: made with another config or of other data"):
        read_everybody(others, alone, tmp_path)


def test_clips_are_read_in_batches_as_one_by_one(
    loaded: tuple[AuditPlan, list[Example]], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, examples = loaded
    checkpoint = untrained(plan.config_of(0), examples)
    at_once = read(checkpoint, examples[:5])
    assert at_once.shape == (5, 3)
    np.testing.assert_allclose(at_once.sum(axis=1), 1.0, rtol=1e-5)
    monkeypatch.setattr("training.labels.out_of_sample.BATCH", 2)
    np.testing.assert_allclose(read(checkpoint, examples[:5]), at_once, atol=1e-6)


def test_pictures_show_suspects_beside_well_read_clips(
    tmp_path: Path, loaded: tuple[AuditPlan, list[Example]], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, examples = loaded
    audit = found(plan, examples)
    drawn: list[list[str]] = []
    monkeypatch.setattr(
        "training.evaluation.sheets.draw_sheet", lambda _title, strips, _path: drawn.append([s.title for s in strips])
    )
    (tmp_path / "of_before.png").write_text("old")
    pictures = whole.draw_groups(audit, plan, examples, reader(examples), tmp_path)
    names = [path.name for path in pictures.values()]
    assert sorted(name[:3] for name in names) == ["000", "001", "002"]
    assert {name[3:] for name in names} == {"-ann1-high.png", "-ann1-low.png", "-bea2-no_sign.png"}
    assert not (tmp_path / "of_before.png").exists()
    assert len(drawn[0]) == 4 + 2
    assert drawn[2][0].startswith(f"clip {made.WRONG}: low ")
    assert [title.rsplit(", by ")[0] for title in drawn[2][1:]] == ["a well-read no sign", "a well-read low"]
    assert "bea2" not in drawn[2][1]
    drawn.clear()
    few = [e for e in examples if e.signer in ("ann1", "bea2")]
    whole.draw_groups(found(plan, few), plan, few, reader(few), tmp_path)
    assert len(drawn[-1]) == 2  # nobody else's low is read as that: ann1's are high


def test_a_sheet_is_a_picture_of_all_its_clips(tmp_path: Path, loaded: tuple[AuditPlan, list[Example]]) -> None:
    from training.evaluation.sheets import Strip, draw_sheet

    _, examples = loaded
    sizes = []
    for count in (1, 3):
        draw_sheet("a sheet", [Strip(e.clip, "a clip") for e in examples[:count]], tmp_path / "a.png")
        with Image.open(tmp_path / "a.png") as picture:
            sizes.append(picture.size)
            colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 20) or []}
        assert (0xD5, 0x5E, 0x00) in colours  # the right hand is there, the left one is not
        assert (0x00, 0x72, 0xB2) not in colours
    assert sizes[0][0] == sizes[1][0]
    assert sizes[1][1] > 2 * sizes[0][1]


def test_hands_alone_fill_their_panels_and_the_shoulders_made_up_for_them_are_not_drawn(
    tmp_path: Path, loaded: tuple[AuditPlan, list[Example]]
) -> None:
    from training.evaluation.sheets import Strip, draw_sheet

    clip = loaded[1][0].clip
    alone = clip.keypoints.copy()
    others = np.ones(alone.shape[1], bool)
    others[33:75] = others[[Pose.LEFT_SHOULDER, Pose.RIGHT_SHOULDER]] = False
    alone[:, others] = 0.0
    tall, lines = [], []
    for keypoints in (clip.keypoints, alone):
        draw_sheet("a sheet", [Strip(replace(clip, keypoints=keypoints), "")], tmp_path / "a.png")
        with Image.open(tmp_path / "a.png") as picture:
            pixels = np.asarray(picture.convert("RGB"), int)[30:]  # below the title
        orange = (pixels[..., 0] > 180) & (pixels[..., 2] < 60)
        tall.append(np.ptp(np.flatnonzero(orange.any(axis=1))))
        lines.append(((np.ptp(pixels, axis=-1) < 20) & (pixels[..., 0] < 0x90)).any())
    assert lines == [True, False]
    assert tall[1] > 2 * tall[0]
    assert tall[1] < 120  # pixels of a panel


@pytest.mark.slow
def test_the_command_finds_planted_labels_and_trains_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = made.write(tmp_path, epochs=10, source=False)
    content = dict(np.load(tmp_path / "tiny.npz"))
    content["gloss"] = np.where(np.arange(len(content["gloss"])) == 71, "rare", content["gloss"])
    np.savez(tmp_path / "tiny.npz", **content)
    # "low" and "rare" are "no sign" to the config's own model; those that judge labels have a class for each.
    text = config.read_text().replace('vocabulary = ["high", "low", "no sign"]', 'vocabulary = ["high", "no sign"]')
    background = "distractors = true\nbackground = true\nidle_clips = 12\n"
    config.write_text(text.replace("distractors = false\n", background))
    assert background in config.read_text()
    command = ["audit", "--labels", str(tmp_path / "out"), "--config", str(config)]
    command += ["--data", str(tmp_path), "--groups", "3"]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "no file says its sources: the tables are by file and signer" in said
    assert str(tmp_path / "out" / "labels.md") in said
    audit = LabelAudit.model_validate_json((tmp_path / "out" / "labels.json").read_text())
    assert {(g.signer, g.gloss, g.suggested, g.source) for g in audit.of("renamed")} >= {
        ("ann1", "high", "low", "tiny.npz"),
        ("ann1", "low", "high", "tiny.npz"),
    }
    text = (tmp_path / "out" / "labels.md").read_text()
    assert "No file says its sources" in text
    assert len(list((tmp_path / "out" / "pictures").glob("*.png"))) == sum(bool(g.suspects) for g in audit.groups)
    assert 'to = "high"' in (tmp_path / "out" / "corrections.toml").read_text()
    monkeypatch.setattr("training.labels.out_of_sample.fit", None)
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(audit.model_dump_json())


def test_data_that_cannot_be_audited_are_reported_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = made.write(tmp_path)
    command = ["audit", "--labels", str(tmp_path / "out"), "--config", str(path), "--data", str(tmp_path)]

    def said(*options: str) -> str:
        assert main([*command, *options]) == 2
        out, error = capsys.readouterr()
        assert (out, error.count("\n")) == ("", 1)
        return error

    assert "7 groups of 6 signers: there must be from 2 to 6 groups" in said("--groups", "7")
    assert "1 groups of 6 signers" in said("--groups", "1")
    assert "with --labels there is one data folder" in said("--data", str(tmp_path))
    assert "--labels goes with --config" in said("--dataset", "digits")
    path.write_text(path.read_text().replace('"high", "low"', '"high", "higher", "low"'))
    assert "empty class: no clip of higher in the data" in said()
    assert main(["audit", "--labels", str(tmp_path)]) == 2
    assert "--labels goes with --config" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_one_signer_or_no_gloss_of_two_is_refused(loaded: tuple[AuditPlan, list[Example]]) -> None:
    plan, examples = loaded
    with pytest.raises(DataError, match="the data have one signer only"):
        plan_audit(plan.config, [e for e in examples if e.signer == "ann1"], 5)
    own = [replace(e, gloss=f"{e.signer} {e.gloss}") for e in examples]
    with pytest.raises(DataError, match="fewer than two glosses have two signers or more"):
        plan_audit(plan.config, own, 3)
