import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glosscast.bundle import EMBEDDED, BundleError, load_bundle, sha256
from glosscast.lexicon.signs import LexiconError
from glosscast.lexicon.teaching import Teacher
from glosscast.manifest import EXAMPLES, FILES, GOLDEN, MANIFEST, MODEL, MODEL_CARD, REPORT
from glosscast.recogniser import Recogniser
from glosscast.report import Report
from tests.bundles import LEXICON, SPEC, VOCABULARY, showing
from tests.sentence_bundles import CHUNKS, WINDOWS, make_sentence_bundle, make_window_bundle


@pytest.fixture
def bundle(bundle_folder: Path, tmp_path: Path) -> Path:
    """A bundle of the test's own."""
    return Path(shutil.copytree(bundle_folder, tmp_path / "bundle"))


def change(bundle: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    manifest = json.loads((bundle / MANIFEST).read_text())
    edit(manifest)
    (bundle / MANIFEST).write_text(json.dumps(manifest))


def test_a_bundle_loads(bundle: Path) -> None:
    loaded = load_bundle(bundle)
    assert loaded.id == "compass@1"
    assert tuple(loaded.vocabulary) == VOCABULARY
    assert loaded.manifest.clip == SPEC
    assert loaded.model_path == bundle / MODEL
    assert loaded.report.glosses["east"].signers == 3
    assert set(loaded.golden()) == {"keypoints", "mask", "logits"}


@pytest.mark.parametrize(
    "key",
    [
        *("schema_version", "name", "version", "task", "clip", "visual", "keypoints", "vocabulary", "no_sign"),
        *("inputs", "outputs", "segmenter", "decoder", "opset", "git_commit", "files"),
    ],
)
def test_a_missing_manifest_key_is_named(bundle: Path, key: str) -> None:
    change(bundle, lambda m: m.pop(key))
    with pytest.raises(BundleError, match=rf"manifest\.json: {key}: "):
        load_bundle(bundle)


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        pytest.param(lambda m: m.update(colour="red"), "colour: ", id="unknown key"),
        pytest.param(lambda m: m["clip"].update(stride=2), "clip.stride: ", id="unknown inner key"),
        pytest.param(lambda m: m["segmenter"].pop("max_ms"), "segmenter.max_ms: ", id="missing inner key"),
        pytest.param(lambda m: m["decoder"].pop("stable"), "decoder.stable: ", id="when an interim is stable"),
        pytest.param(lambda m: m["decoder"].pop("reject"), "decoder.reject: ", id="what is rejected"),
        pytest.param(lambda m: m["keypoints"].pop("layout"), "keypoints.layout: ", id="no layout"),
        pytest.param(lambda m: m["keypoints"].pop("normalisation"), "keypoints.normalisation: ", id="no normalisation"),
        pytest.param(lambda m: m["clip"].update(window_ms=10), "clip: ", id="window without a frame"),
        pytest.param(lambda m: m["clip"].update(fps=-1), "clip.fps: ", id="number out of range"),
        pytest.param(lambda m: m.update(schema_version=2), "schema_version: ", id="future schema"),
        pytest.param(lambda m: m["keypoints"].update(layout="coco-17"), "keypoints.layout: ", id="other layout"),
        pytest.param(lambda m: m["inputs"][0]["shape"].__setitem__(1, 8), "inputs: keypoints", id="input shape"),
        pytest.param(lambda m: m["inputs"].pop(1), "inputs: mask", id="input missing"),
        pytest.param(lambda m: m["outputs"][0]["shape"].__setitem__(1, 9), "outputs: logits", id="output shape"),
        pytest.param(lambda m: m.update(vocabulary=["east", "east", "rest"]), "unique", id="gloss twice"),
        pytest.param(lambda m: m.update(no_sign="idle"), "no_sign 'idle'", id="unknown no_sign"),
        pytest.param(lambda m: m.update(ctc={"blank": 3, "stride": 4}), "ctc and reader go with", id="needless blank"),
        pytest.param(lambda m: m.update(reader=CHUNKS), "ctc and reader go with", id="needless reader"),
        pytest.param(lambda m: m.update(task="continuous"), "reader: the task continuous needs one", id="no reader"),
        pytest.param(
            lambda m: m.update(task="continuous", reader=CHUNKS), "the vocabulary has no blank", id="no blank"
        ),
        pytest.param(
            lambda m: m.update(task="continuous", reader=CHUNKS, ctc={"blank": 2, "stride": 4}),
            "ctc: the blank must follow the 3 glosses, it is 2",
            id="blank in between",
        ),
        pytest.param(
            lambda m: m.update(task="continuous", reader=CHUNKS, ctc={"blank": 3, "stride": 5}),
            "clip: the 32 frames of a window must be whole steps of 5 frames",
            id="half a step",
        ),
        pytest.param(
            lambda m: m.update(task="continuous", reader=CHUNKS, ctc={"blank": 3, "stride": 4}),
            r"logits must be ('batch', 8, 4)",
            id="logits without steps",
        ),
        pytest.param(
            lambda m: m.update(task="continuous", reader={**CHUNKS, "right": 8}, ctc={"blank": 3, "stride": 4}),
            "reader: a window has 8 steps, fewer than hop 1 and right 8 together",
            id="too much context",
        ),
        pytest.param(
            lambda m: m.update(
                task="continuous", reader=CHUNKS, ctc={"blank": 3, "stride": 4}, clip={**m["clip"], "window_ms": 40_000}
            ),
            "clip: a stream keeps 30000 ms of frames, and a window has 40000",
            id="a window longer than what is kept",
        ),
        pytest.param(
            lambda m: m.update(task="continuous", reader=WINDOWS, ctc={"blank": 3, "stride": 4}),
            "ctc: windows are classified one by one",
            id="blank of windows",
        ),
        pytest.param(
            lambda m: m.update(task="continuous", reader=WINDOWS, no_sign=None),
            "no_sign: windows need a background class",
            id="no background",
        ),
        pytest.param(
            lambda m: m.update(task="continuous", reader={**CHUNKS, "kind": "whole"}), "reader: ", id="unknown reader"
        ),
        pytest.param(
            lambda m: m.update(task="continuous", reader={**CHUNKS, "width": 0}), "reader.chunks.width", id="no beam"
        ),
        pytest.param(
            lambda m: m.update(task="continuous", reader=WINDOWS, lexicon=LEXICON.model_dump()),
            "tagger and lexicon are of single signs",
            id="taught signs of sentences",
        ),
        pytest.param(lambda m: m.update(visual={"kind": "rgb", "size": 64}), "inputs: frames must", id="no pictures"),
        pytest.param(lambda m: m["inputs"][0].update(dtype="uint8"), "inputs: keypoints must", id="other dtype"),
        pytest.param(
            lambda m: m["inputs"].append({"name": "depth", "shape": ["batch"]}), "inputs: depth", id="unknown input"
        ),
        pytest.param(lambda m: m.update(precision="fp8"), "precision: ", id="unknown precision"),
        pytest.param(lambda m: m["files"].pop(GOLDEN), "files: no hash for golden.npz", id="hash missing"),
        pytest.param(lambda m: m["files"].update({MODEL: "abc"}), f"files.{MODEL}: ", id="hash malformed"),
        pytest.param(
            lambda m: m["files"].update({"../secret": "0" * 64}), "files: '../secret' is not a plain", id="traversal"
        ),
        pytest.param(
            lambda m: m["files"].update({"/etc/hostname": "0" * 64}),
            "files: '/etc/hostname' is not a plain",
            id="absolute path",
        ),
    ],
)
def test_a_fault_of_the_manifest_is_named(bundle: Path, edit: Callable[[dict[str, Any]], object], named: str) -> None:
    change(bundle, edit)
    with pytest.raises(BundleError) as caught:
        load_bundle(bundle)
    assert MANIFEST in str(caught.value)
    assert named in str(caught.value)


@pytest.mark.parametrize("name", [MANIFEST, *FILES])
def test_a_missing_file_is_named(bundle: Path, name: str) -> None:
    (bundle / name).unlink()
    with pytest.raises(BundleError, match=f"{name}: missing"):
        load_bundle(bundle)


@pytest.mark.parametrize("name", FILES)
def test_a_changed_file_is_named(bundle: Path, name: str) -> None:
    with (bundle / name).open("ab") as file:
        file.write(b" ")
    with pytest.raises(BundleError, match=f"{name}: its sha256"):
        load_bundle(bundle)


def test_a_bundle_may_show_signs(bundle: Path, tmp_path: Path) -> None:
    assert load_bundle(bundle).examples == {}
    shown = load_bundle(showing(bundle, tmp_path / "shown", "west")).examples
    assert list(shown) == ["west"]
    assert shown["west"].start_ms == 750


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        pytest.param(lambda m: m["examples"].append(m["examples"][0]), "one at most for each sign", id="twice"),
        pytest.param(lambda m: m["examples"][0].update(gloss="rest"), "one at most for each sign", id="of no sign"),
        pytest.param(lambda m: m["examples"][0].update(gloss="up"), "one at most for each sign", id="unknown gloss"),
        pytest.param(lambda m: m["examples"][0].update(gloss="east"), EXAMPLES, id="of another sign"),
        pytest.param(lambda m: m["examples"][0].update(licence=""), "examples.0.licence", id="no licence"),
        pytest.param(lambda m: m["files"].pop(EXAMPLES), "files: no hash for examples.npz", id="no file"),
        pytest.param(lambda m: m["files"].update({EXAMPLES: m["files"][GOLDEN]}), "sha256 is not", id="another file"),
    ],
)
def test_a_fault_of_the_examples_is_named(
    bundle: Path, tmp_path: Path, edit: Callable[[dict[str, Any]], object], named: str
) -> None:
    shown = showing(bundle, tmp_path / "shown", "west")
    change(shown, edit)
    with pytest.raises(BundleError, match=named):
        load_bundle(shown)


def test_examples_that_are_no_lexicon_are_named(bundle: Path, tmp_path: Path) -> None:
    shown = showing(bundle, tmp_path / "shown", "west")
    shutil.copyfile(shown / GOLDEN, shown / EXAMPLES)
    change(shown, lambda m: m["files"].update({EXAMPLES: sha256(shown / EXAMPLES)}))
    with pytest.raises(BundleError, match=f"{EXAMPLES}: not a lexicon"):
        load_bundle(shown)


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe", b"\x00"])
def test_a_manifest_that_is_no_json_is_named(bundle: Path, content: bytes) -> None:
    (bundle / MANIFEST).write_bytes(content)
    with pytest.raises(BundleError, match=f"{MANIFEST}: not readable as JSON"):
        load_bundle(bundle)


@pytest.mark.parametrize("content", ["[]", "null", "3"])
def test_a_manifest_that_is_no_object_is_named(bundle: Path, content: str) -> None:
    (bundle / MANIFEST).write_text(content)
    with pytest.raises(BundleError, match=MANIFEST):
        load_bundle(bundle)


def test_a_fault_of_the_report_is_named(bundle: Path) -> None:
    report = json.loads((bundle / REPORT).read_text())
    report["glosses"]["east"]["accuracy"] = 1.5
    (bundle / REPORT).write_text(json.dumps(report))
    change(bundle, lambda m: m["files"].update({REPORT: sha256(bundle / REPORT)}))
    with pytest.raises(BundleError, match=r"report\.json: glosses\.east\.accuracy: "):
        load_bundle(bundle)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        pytest.param(lambda g: g.pop("mask"), "not an .npz of", id="array missing"),
        pytest.param(lambda g: g.update(logits=np.zeros((1, 2))), r"logits must be \(1, 3\)", id="wrong shape"),
        pytest.param(lambda g: g.update(mask=np.array(["x"])), "not an .npz of", id="text"),
    ],
)
def test_a_fault_of_the_golden_pair_is_named(bundle: Path, edit: Callable[[dict[str, Any]], object], said: str) -> None:
    golden: dict[str, Any] = load_bundle(bundle).golden()
    edit(golden)
    np.savez(bundle / GOLDEN, **golden)
    change(bundle, lambda m: m["files"].update({GOLDEN: sha256(bundle / GOLDEN)}))
    with pytest.raises(BundleError, match=rf"golden\.npz: {said}"):
        Recogniser(load_bundle(bundle), threads=1)


def test_a_golden_pair_that_is_no_archive_is_named(bundle: Path) -> None:
    (bundle / GOLDEN).write_bytes(b"text")
    change(bundle, lambda m: m["files"].update({GOLDEN: sha256(bundle / GOLDEN)}))
    with pytest.raises(BundleError, match=r"golden\.npz: not an \.npz"):
        load_bundle(bundle).golden()


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        pytest.param(lambda r: r["glosses"].pop("west"), "glosses: not those", id="gloss missing"),
        pytest.param(lambda r: r["glosses"].update(north={"signers": 1}), "glosses: not those", id="unknown gloss"),
        pytest.param(
            lambda r: r["confusable"].append({"glosses": ["east", "north"], "similarity": 0.5}),
            "confusable: names a gloss",
            id="unknown gloss of a pair",
        ),
    ],
)
def test_a_report_of_another_vocabulary_is_named(
    bundle: Path, edit: Callable[[dict[str, Any]], object], named: str
) -> None:
    report = json.loads((bundle / REPORT).read_text())
    edit(report)
    (bundle / REPORT).write_text(json.dumps(report))
    change(bundle, lambda m: m["files"].update({REPORT: sha256(bundle / REPORT)}))
    with pytest.raises(BundleError, match=rf"report\.json: {named}"):
        load_bundle(bundle)


def test_a_checkpoint_beside_the_bundle_may_be_left_out_but_not_changed(bundle: Path) -> None:
    extra = bundle / "checkpoint.pt"
    extra.write_bytes(b"weights")
    change(bundle, lambda m: m["files"].update({extra.name: sha256(extra)}))
    load_bundle(bundle)
    extra.write_bytes(b"other weights")
    with pytest.raises(BundleError, match=r"checkpoint\.pt: its sha256"):
        load_bundle(bundle)
    extra.unlink()
    load_bundle(bundle)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="nowhere"):
        load_bundle(tmp_path / "nowhere")


def test_confusable_glosses_come_most_similar_first() -> None:
    pairs = [(("a", "b"), 0.1), (("c", "a"), 0.4), (("b", "c"), 0.9)]
    report = Report.model_validate(
        {"metrics": {}, "glosses": {}, "confusable": [{"glosses": g, "similarity": s} for g, s in pairs]}
    )
    assert report.confusable_with("a") == ["c", "b"]
    assert report.confusable_with("d") == []


def test_the_embedded_bundle_loads_and_passes_its_golden_check() -> None:
    bundle = load_bundle()
    Recogniser(bundle, threads=1)
    wanted = {"hello", "thanks", "yes", "no", "help", "please", "iloveyou", "no sign"}
    assert wanted <= set(bundle.vocabulary)
    assert bundle.vocabulary.no_sign == "no sign"
    assert set(bundle.report.glosses) == set(bundle.vocabulary)


def test_the_embedded_bundle_is_at_most_12_megabytes() -> None:
    assert sum(file.stat().st_size for file in EMBEDDED.iterdir()) <= 12_000_000


def test_the_embedded_model_card_states_the_signers_of_every_gloss() -> None:
    bundle = load_bundle()
    card = (EMBEDDED / MODEL_CARD).read_text(encoding="utf-8")
    for gloss, figures in bundle.report.glosses.items():
        assert figures.signers > 0
        assert f"| {gloss} | {figures.signers} |" in card


@pytest.mark.parametrize("make", [make_sentence_bundle, make_window_bundle])
def test_bundles_of_sentences_load_and_are_of_no_use_where_single_signs_are_needed(
    make: Callable[[Path], Path], tmp_path: Path
) -> None:
    bundle = load_bundle(make(tmp_path / "bundle"))
    assert bundle.manifest.task == "continuous"
    with pytest.raises(BundleError, match="reads sentences; this needs a bundle of single signs"):
        bundle.require_isolated()
    with pytest.raises(LexiconError, match="no sign can be taught to needle@1: its manifest has no `lexicon`"):
        Teacher(bundle, Recogniser(bundle).readout)
