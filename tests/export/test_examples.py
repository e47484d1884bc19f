"""Examples of signs: which clips are taken, what of them is kept, and that the bundle reads as before."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from export.__main__ import main
from export.to_onnx import export_bundle
from glosscast.bundle import EMBEDDED, load_bundle
from glosscast.keypoints import FACE, LEFT_HAND, PRESENCE, RIGHT_HAND
from glosscast.manifest import EXAMPLES, MANIFEST, MODEL_CARD
from glosscast.recogniser import Recogniser
from tests.bundles import LEXICON
from tests.training import synthetic
from training.tasks.train import fit

ROOT = Path(__file__).parents[2]
LICENSED = "MIT License Copyright (c) 2024 Ann Permission is hereby granted"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a bundle that reads well, and its clips, of which those of ann alone have a licence."""
    folder = tmp_path_factory.mktemp("examples")
    config = synthetic.config(folder, epochs=8)
    export_bundle(fit(config, synthetic.examples(), progress=False), folder / "bundle")
    manifest = json.loads((folder / "bundle" / MANIFEST).read_text())
    (folder / "bundle" / MANIFEST).write_text(json.dumps({**manifest, "lexicon": LEXICON.model_dump()}))
    arrays = synthetic.arrays()
    arrays["licence"] = np.array([LICENSED if signer == "ann" else "none stated" for signer in arrays["signer"]])
    arrays["source"] = np.array([f"home of {signer}" for signer in arrays["signer"]])
    np.savez(folder / "tiny.npz", **arrays)
    return folder


def command(folder: Path, out: Path, *more: str) -> list[str]:
    where = ["--bundle", str(folder / "bundle"), "--out", str(out), "--data", str(folder)]
    return ["examples", *where, "--config", str(folder / "tiny.toml"), "--licence", "MIT", *more]


def chosen(path: Path, **changes: object) -> str:
    """A file of one choice."""
    choice = {"gloss": "high", "file": "tiny.npz", "clip": 2, "frames": [3, 14], "why": "It is high.", **changes}
    path.write_text("[[examples]]\n" + "\n".join(f"{key} = {json.dumps(value)}" for key, value in choice.items()))
    return str(path)


@pytest.fixture(scope="module")
def shown(made: Path) -> Path:
    assert main(command(made, made / "shown", "--sheet", str(made / "sheet.png"))) == 0
    return made / "shown"


@pytest.mark.slow
def test_every_sign_gets_an_example_of_a_licensed_clip(made: Path, shown: Path) -> None:
    bundle = load_bundle(shown)
    assert list(bundle.examples) == ["high", "low"]
    origins = {origin.gloss: (origin.source, origin.licence) for origin in bundle.manifest.examples}
    assert origins == dict.fromkeys(["high", "low"], ("home of ann", "MIT License Copyright (c) 2024 Ann"))
    card = (shown / MODEL_CARD).read_text()
    assert "| low | home of ann | MIT License Copyright (c) 2024 Ann |" in card
    assert (made / "sheet.png").stat().st_size > 1000


@pytest.mark.slow
def test_the_model_stays_byte_for_byte(made: Path, shown: Path) -> None:
    before, after = load_bundle(made / "bundle").manifest, load_bundle(shown).manifest
    changed = {name for name in after.files if before.files.get(name) != after.files[name]}
    assert changed == {MODEL_CARD, EXAMPLES}
    assert after.model_copy(update={"files": before.files, "examples": ()}) == before


@pytest.mark.slow
def test_an_example_is_its_sign_alone_and_has_no_face(shown: Path) -> None:
    for sign in load_bundle(shown).examples.values():
        assert (sign.start_ms, sign.end_ms) == (0, pytest.approx(sign.t_ms[-1]))
        assert (sign.keypoints[:, RIGHT_HAND, PRESENCE] == 1).all()
        assert not sign.keypoints[:, FACE].any()
        assert not sign.keypoints[:, LEFT_HAND].any()


@pytest.mark.slow
def test_a_person_overrules_the_choice_and_the_rest_stays(made: Path, shown: Path, tmp_path: Path) -> None:
    choices = chosen(tmp_path / "choices.toml", source="where ann lives")
    again = tmp_path / "bundle"
    shutil.copytree(shown, again)

    assert main([*command(made, again, "--choices", choices), "--bundle", str(again)]) == 0  # the last --bundle holds

    bundle = load_bundle(again)
    assert len(bundle.examples["high"].t_ms) == 12
    assert bundle.manifest.examples[0].source == "where ann lives"
    assert bundle.examples["low"].id == load_bundle(shown).examples["low"].id
    assert (again / MODEL_CARD).read_text().count("## Examples") == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"clip": 14}, "another licence: none stated"),
        ({"clip": 5}, "not of this gloss"),
        ({"clip": 999}, "not of this gloss"),
        ({"frames": [40, 50]}, "not read as this sign"),
        ({"gloss": "hihg"}, "no sign of tiny@1: hihg"),
        ({"colour": "red"}, "examples.0.colour"),
    ],
)
def test_a_choice_that_cannot_be_is_named(
    made: Path, tmp_path: Path, changes: dict[str, object], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    choices = chosen(tmp_path / "choices.toml", **changes)
    assert main(command(made, tmp_path / "out", "--choices", choices)) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_sign_that_the_bundle_misreads_is_not_shown(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def mislabelled(gloss: str) -> str:
        return {"high": "low", "low": "high"}.get(gloss, gloss)

    wrong = tmp_path / "wrong"
    shutil.copytree(made, wrong)
    edit_labels(wrong / "tiny.npz", mislabelled)

    assert main(command(wrong, tmp_path / "out")) == 2
    assert "no sign has a clip" in capsys.readouterr().err


def edit_labels(path: Path, edit: Callable[[str], str]) -> None:
    arrays = dict(np.load(path))
    arrays["gloss"] = np.array([edit(str(gloss)) for gloss in arrays["gloss"]])
    np.savez(path, **arrays)


def test_the_embedded_bundle_shows_every_sign_and_reads_each_rightly() -> None:
    bundle = load_bundle()
    glosses = [gloss for gloss in bundle.vocabulary if gloss != bundle.vocabulary.no_sign]
    assert list(bundle.examples) == glosses
    assert (EMBEDDED / EXAMPLES).stat().st_size <= 60_000
    pipeline = bundle.pipeline(Recogniser(bundle).readout)
    for gloss, sign in bundle.examples.items():
        read = pipeline.read_segment(sign.clip, sign.start_ms, sign.end_ms, sign.end_ms)[: len(bundle.vocabulary)]
        assert bundle.vocabulary.gloss(int(read.argmax())) == gloss
        assert read.max() >= bundle.manifest.decoder.reject


def test_the_notice_names_each_recording_that_is_shown() -> None:
    notice = " ".join((ROOT / "NOTICE").read_text(encoding="utf-8").split())
    for origin in load_bundle().manifest.examples:
        assert origin.source in notice
        assert origin.licence.removeprefix("MIT License ") in notice
