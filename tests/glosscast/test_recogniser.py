import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from glosscast.bundle import BundleError, load_bundle, sha256
from glosscast.clip import Clip, cut_window
from glosscast.keypoints import CHANNELS, POINTS
from glosscast.manifest import GOLDEN, MANIFEST, MODEL
from glosscast.providers import ProviderError
from glosscast.recogniser import MAX_RUN, Recogniser
from tests.bundles import ASPECT, FRAME_MS, SPEC, VOCABULARY, pose


@pytest.fixture(scope="module")
def recogniser(bundle_folder: Path) -> Recogniser:
    return Recogniser(load_bundle(bundle_folder), threads=1)


@pytest.fixture
def folder(bundle_folder: Path, tmp_path: Path) -> Path:
    """A bundle of the test's own."""
    return Path(shutil.copytree(bundle_folder, tmp_path / "bundle"))


def rehash(folder: Path, **changes: object) -> None:
    """Change top-level manifest keys and bring its hashes up to date."""
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest.update(changes)
    manifest["files"] = {name: sha256(folder / name) for name in manifest["files"]}
    (folder / MANIFEST).write_text(json.dumps(manifest))


def window(side: float) -> object:
    keypoints = np.stack([pose((side, 0.2))] * SPEC.frames)
    return cut_window(Clip(np.arange(SPEC.frames) * FRAME_MS, keypoints, ASPECT), 0.0, SPEC)


def test_windows_become_probabilities_in_the_order_of_the_vocabulary(recogniser: Recogniser) -> None:
    probabilities = recogniser([window(1.2), window(-1.2), window(0.0)])
    assert probabilities.shape == (3, len(VOCABULARY))
    assert probabilities.dtype == np.float32
    assert np.allclose(probabilities.sum(1), 1, atol=1e-6)
    assert [VOCABULARY[i] for i in probabilities.argmax(1)] == ["east", "west", "rest"]


def test_a_batch_gives_the_same_as_its_windows_alone(recogniser: Recogniser) -> None:
    windows = [window(side) for side in (1.2, -0.3, 0.6)]
    alone = np.concatenate([recogniser([w]) for w in windows])
    assert np.allclose(recogniser(windows), alone, atol=1e-6)


def test_more_windows_than_one_run_takes_are_read_in_several(recogniser: Recogniser) -> None:
    windows = [window(side) for side in np.linspace(-1.2, 1.2, MAX_RUN + 3)]
    apart = np.concatenate([recogniser(windows[:10]), recogniser(windows[10:MAX_RUN]), recogniser(windows[MAX_RUN:])])
    assert np.allclose(recogniser(windows), apart, atol=1e-6)


def test_threads_do_not_share_their_results(recogniser: Recogniser) -> None:
    batches = [[window(side)] * (index % 3 + 1) for index, side in enumerate(np.linspace(-1.2, 1.2, 8))]
    alone = [recogniser(batch) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(recogniser, batches * 20))
    for index, probabilities in enumerate(together):
        assert np.allclose(probabilities, alone[index % len(batches)], atol=1e-6)


def test_large_logits_do_not_overflow(recogniser: Recogniser) -> None:
    assert np.isfinite(recogniser([window(500.0)])).all()


def test_a_provider_that_is_not_available_is_refused(bundle_folder: Path) -> None:
    with pytest.raises(ProviderError, match="NoSuchExecutionProvider not available"):
        Recogniser(load_bundle(bundle_folder), ["NoSuchExecutionProvider", "CPUExecutionProvider"])


def test_a_model_that_does_not_give_the_golden_output_is_refused(folder: Path) -> None:
    golden = load_bundle(folder).golden()
    np.savez(folder / GOLDEN, **{**golden, "logits": golden["logits"] + 0.01})
    rehash(folder)
    with pytest.raises(BundleError, match=rf"{MODEL}: golden check failed"):
        Recogniser(load_bundle(folder))


def test_a_golden_output_that_is_no_number_is_refused(folder: Path) -> None:
    golden = load_bundle(folder).golden()
    np.savez(folder / GOLDEN, **{**golden, "logits": golden["logits"] * np.nan})
    rehash(folder)
    with pytest.raises(BundleError, match="golden check failed"):
        Recogniser(load_bundle(folder))


def test_a_graph_with_another_input_shape_than_the_manifest_is_refused(folder: Path) -> None:
    inputs = [
        {"name": "keypoints", "shape": ["batch", 16, POINTS, CHANNELS]},
        {"name": "mask", "shape": ["batch", 16]},
    ]
    rehash(folder, clip={"window_ms": 1000, "fps": 16, "alpha": 4}, inputs=inputs)
    with pytest.raises(BundleError, match=rf"{MODEL}: inputs: keypoints is .*32.* in the graph"):
        Recogniser(load_bundle(folder))


def test_a_graph_with_fewer_outputs_than_the_manifest_is_refused(folder: Path) -> None:
    outputs = [{"name": "logits", "shape": ["batch", 3]}, {"name": "embedding", "shape": ["batch", 8]}]
    rehash(folder, outputs=outputs)
    with pytest.raises(BundleError, match=rf"{MODEL}: outputs: embedding is None in the graph"):
        Recogniser(load_bundle(folder))


def test_a_file_that_is_no_graph_is_refused(folder: Path) -> None:
    (folder / MODEL).write_bytes(b"not a graph")
    rehash(folder)
    with pytest.raises(BundleError, match=rf"{MODEL}: ONNX Runtime .* cannot load it"):
        Recogniser(load_bundle(folder))
