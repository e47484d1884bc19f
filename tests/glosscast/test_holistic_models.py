"""The models: cut, fetched once, checked whenever they are read."""

import shutil

import numpy as np
import pytest

from glosscast.holistic import ExtractorError, choice, chosen, mismatch, model_hashes, models, new_tracker
from glosscast.holistic.__main__ import main
from glosscast.holistic.models import HAND_LANDMARK, MODELS, POSE_LANDMARK, ModelError, prepare, read
from glosscast.holistic.surgery import keep_outputs
from tests.glosscast.trackers import needs_litert, needs_mediapipe


@needs_litert
def test_the_cut_pose_model_gives_the_same_landmarks_bit_for_bit(sources, litert_models):
    from ai_edge_litert.interpreter import Interpreter

    picture = np.random.default_rng(0).random((1, 256, 256, 3), np.float32)

    def outputs(content):
        run = Interpreter(model_content=content, num_threads=1)
        run.allocate_tensors()
        run.set_tensor(run.get_input_details()[0]["index"], picture)
        run.invoke()
        return [run.get_tensor(given["index"]) for given in run.get_output_details()]

    whole = outputs(sources[POSE_LANDMARK.source])
    cut = outputs(read(POSE_LANDMARK, litert_models))
    assert len(whole) == 5
    assert [values.shape for values in cut] == [(1, 195), (1, 1), (1, 64, 64, 39)]
    for kept, values in zip(POSE_LANDMARK.outputs, cut, strict=True):
        assert np.array_equal(whole[kept], values)


def test_outputs_can_be_reordered_and_must_exist(sources):
    model = sources[HAND_LANDMARK.source]
    assert len(keep_outputs(model, [1, 0])) == len(model)
    with pytest.raises(ValueError, match="not a TensorFlow Lite model"):
        keep_outputs(model, [4])


@pytest.mark.parametrize("content", [b"", b"TFL3", bytes(64), b"\xff" * 64])
def test_a_file_that_is_no_model_is_refused(content):
    with pytest.raises(ValueError, match="not a TensorFlow Lite model"):
        keep_outputs(content, [0])


def test_models_that_are_there_are_not_fetched_again(litert_models, monkeypatch):
    def fetched():
        raise AssertionError("fetched")

    monkeypatch.setattr(models, "_installed", fetched)
    assert prepare(litert_models) is False


def test_a_damaged_model_is_named_and_replaced(litert_models, tmp_path, capsys):
    folder = tmp_path / "models"
    shutil.copytree(litert_models, folder)
    (folder / HAND_LANDMARK.name).write_bytes(b"half")
    with pytest.raises(ModelError, match=r"hand_landmark\.tflite: damaged"):
        read(HAND_LANDMARK, folder)
    (folder / HAND_LANDMARK.name).unlink()
    with pytest.raises(ModelError, match=r"hand_landmark\.tflite: No such file.*python -m glosscast\.holistic"):
        read(HAND_LANDMARK, folder)
    assert main([str(folder)]) == 0
    assert "6 models, fetched" in capsys.readouterr().out
    assert {path.name for path in folder.iterdir()} == {model.name for model in MODELS}


def test_files_of_another_release_are_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(models, "_installed", lambda: dict.fromkeys((model.source for model in MODELS), b"other"))
    assert main([str(tmp_path / "models")]) == 2
    assert "not the file of mediapipe 0.10.21" in capsys.readouterr().err


def test_a_failed_download_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(models, "_installed", lambda: None)
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "nowhere").as_uri())
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert main([str(tmp_path / "models")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_an_unknown_extractor_is_named(monkeypatch):
    monkeypatch.setenv("GLOSSCAST_EXTRACTOR", "openpose")
    with pytest.raises(ExtractorError, match="'openpose' is none of litert, mediapipe"):
        chosen()


@pytest.mark.parametrize(("name", "package"), [("litert", "ai-edge-litert"), ("mediapipe", "mediapipe")])
def test_a_missing_package_is_named(name, package, monkeypatch):
    monkeypatch.setitem(choice.PACKAGES, name, package + "-missing")
    with pytest.raises(ExtractorError, match=rf"pip install -e '\.\[{name}\]'"):
        new_tracker(name)


@needs_litert
def test_missing_models_are_reported_when_the_tracker_is_made(tmp_path, monkeypatch):
    monkeypatch.setenv("GLOSSCAST_MODELS", str(tmp_path))
    with pytest.raises(ModelError, match="No such file"):
        new_tracker("litert")


@needs_litert
@needs_mediapipe
def test_a_bundle_that_learned_from_another_extractor_is_reported_with_the_effect():
    assert mismatch("mediapipe-holistic 0.10.9", {}, "mediapipe") is None
    assert mismatch("litert-holistic 1.0", models.hashes(), "litert") is None
    for measured in (
        mismatch("mediapipe-holistic 0.10.21", {}, "litert"),
        mismatch("litert-holistic 1.0", models.hashes(), "mediapipe"),
    ):
        assert measured.measured
        assert "% of hand size" in measured.text
    for unknown in (
        mismatch("openpose 1.7", {}, "mediapipe"),
        mismatch("litert-holistic 1.0", {"hand_landmark.tflite": "0" * 64}, "litert"),
    ):
        assert not unknown.measured
        assert "not measured" in unknown.text


@needs_litert
def test_a_bundle_of_mixed_or_unknown_keypoints_is_reported_as_such():
    mixed = "litert-holistic 2.3.0 and mediapipe-holistic"
    assert model_hashes(mixed) == models.hashes()
    assert model_hashes("mediapipe-holistic 0.10.21") == {}
    assert "% of hand size" in mismatch(mixed, models.hashes(), "litert").text
    assert mismatch("none", {}, "litert") is None
