"""A bundle of a model of pictures, served: by REST, over the websocket, from the command line."""

import io
import json
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import httpx
import numpy as np
import pytest
import torch
from PIL import Image

from export.to_onnx import export_bundle
from glosscast.bundle import Bundle, load_bundle
from glosscast.cli import main
from glosscast.clip import Clip
from glosscast.crop import CropSpec
from glosscast.decoding import ClipReading, decode_clip
from glosscast.holistic import TrackerPool, extract, new_tracker, serving
from glosscast.protocol import CloseCode, pack_frame
from glosscast.recogniser import MAX_PICTURES_RUN, Recogniser
from glosscast.video import Frame, decode_image, decode_video
from service.protocol.codes import ErrorCode
from service.settings import Settings
from tests.bundles import FRAME_MS
from tests.export import models
from tests.service.process import DATA
from tests.service.serving import (
    EAST,
    NOBODY,
    ROOMY,
    WEST,
    Client,
    ColourTracker,
    browser,
    colours,
    picture,
    post,
    serve,
    video,
)
from tests.training import synthetic
from training import __main__ as training
from training.data import load_npz, with_frames
from training.datasets.crops import encode
from training.datasets.extract import _write_part, crops_path
from training.datasets.item import Item
from training.datasets.keypoints import read_clip as read_item
from training.evaluation.scores import TorchClassifier, score
from training.models.checkpoint import Checkpoint
from training.models.recogniser import normalise_pixels

SIZE, FPS = 32, 16.0
TOLERANCE = 1e-3  # on probabilities
CLIP = DATA / "clips" / "drama__startasl_M1__drama.mp4"
GAIN = 60.0  # made-up weights make little of pictures

real_clip = pytest.mark.skipif(not CLIP.is_file(), reason=f"no recordings in {DATA}")


def made(folder: Path, *streams: str, extractor: str | None = None) -> tuple[Bundle, TorchClassifier]:
    """A bundle, and the model that it was made of."""
    checkpoint = models.isolated(folder, *streams, size=SIZE)
    watchful(checkpoint)
    if extractor is not None:
        checkpoint = replace(checkpoint, extractor=extractor)
    export_bundle(checkpoint, folder / "bundle")
    return load_bundle(folder / "bundle"), classifier(checkpoint)


def watchful(checkpoint: Checkpoint) -> None:
    """Make the model look hard at pictures: what differs from a grey one counts `GAIN` times as much."""
    model = checkpoint.build().eval()
    frames = checkpoint.config.clip.frames
    grey = torch.full((1, frames, SIZE, SIZE, 3), 128, dtype=torch.uint8)
    with torch.no_grad():
        feature = model.fuse[0](
            model.project["rgb"](model.encoders["rgb"](normalise_pixels(grey), torch.ones(1, frames)))
        )
        weight = checkpoint.state["fuse.2.weight"][:, : feature.shape[1]]  # the rgb stream comes first
        checkpoint.state["fuse.2.bias"] -= (GAIN - 1) * (weight @ feature[0])
        weight *= GAIN


def classifier(checkpoint: Checkpoint) -> TorchClassifier:
    return TorchClassifier(checkpoint.build(), len(checkpoint.config.data.vocabulary))


@pytest.fixture(scope="module")
def fusion(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, TorchClassifier]:
    return made(tmp_path_factory.mktemp("fusion"), "rgb", "keypoints")


@pytest.fixture(scope="module")
def extracted(fusion: tuple[Bundle, TorchClassifier]) -> Clip:
    """The real clip, as uploads and the command line read it."""
    bundle, _ = fusion
    tracker = new_tracker(effort=serving(bundle.manifest.keypoints.face))
    try:
        return extract(decode_video(CLIP, FPS), tracker, bundle.new_crop())
    finally:
        tracker.close()


def read(clip: Clip, bundle: Bundle, model: TorchClassifier) -> ClipReading:
    return bundle.pipeline(model).read(clip)


def assert_predicted(predictions: list[dict], expected: np.ndarray, bundle: Bundle) -> None:
    found = {p["gloss"]: p["confidence"] for p in predictions}
    for gloss, confidence in zip(bundle.vocabulary, expected, strict=True):
        assert found[gloss] == pytest.approx(confidence, abs=TOLERANCE)


def offline_finals(clip: Clip, bundle: Bundle, model: TorchClassifier) -> list[tuple[str, float]]:
    events = decode_clip(clip, bundle.pipeline(model).decoder(interim=False))
    best = [e.probabilities for e in events if e.kind == "final" and e.probabilities is not None]
    return [(bundle.vocabulary.gloss(int(p.argmax())), float(p.max())) for p in best]


def assert_finals(client: Client, expected: list[tuple[str, float]]) -> None:
    finals = client.of("final")
    assert [f["gloss"] for f in finals] == [gloss for gloss, _ in expected]
    assert [f["confidence"] for f in finals] == pytest.approx([sure for _, sure in expected], abs=TOLERANCE)


# --- a real clip


@pytest.mark.data
@real_clip
@pytest.mark.slow
def test_served_crops_are_those_that_training_extracted(extracted: Clip, tmp_path: Path) -> None:
    part = tmp_path / "part.npz"
    assert _write_part(Item("drama", ("drama",), CLIP), part, read_item, SIZE) is None
    with np.load(part) as arrays, ZipFile(crops_path(part, SIZE)) as pictures:
        index = {float(t): i for i, t in enumerate(arrays["t_ms"])}
        stored = [pictures.read(f"0/{index[float(t)]}.jpg") for t in extracted.t_ms]
    assert extracted.frames is not None
    assert [encode(frame) for frame in extracted.frames] == stored


@pytest.mark.data
@real_clip
@pytest.mark.slow
def test_a_clip_reads_as_torch_reads_its_windows(
    fusion: tuple[Bundle, TorchClassifier], extracted: Clip, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle, model = fusion
    expected = read(extracted, bundle, model).probabilities
    assert extracted.frames is not None
    shifted = read(replace(extracted, frames=[np.roll(f, 2, axis=1) for f in extracted.frames]), bundle, model)
    assert np.abs(expected - shifted.probabilities).max() > 5 * TOLERANCE  # another crop would not do

    with serve(bundle.path, None) as address, browser(address) as client:
        answer = post(client, CLIP.read_bytes())
    assert answer.status_code == 200, answer.text
    assert_predicted(answer.json()["predictions"], expected, bundle)
    assert answer.json()["frames"] == len(extracted.t_ms)

    assert main(["classify", str(CLIP), "--bundle", str(bundle.path), "--json"]) == 0
    assert_predicted(json.loads(capsys.readouterr().out)["predictions"], expected, bundle)


@pytest.mark.data
@real_clip
@pytest.mark.slow
def test_a_stream_of_pictures_gives_the_finals_of_the_recording(fusion: tuple[Bundle, TorchClassifier]) -> None:
    bundle, model = fusion
    frames = list(decode_video(CLIP, FPS))
    settings = Settings()
    pool = TrackerPool(1, lambda: new_tracker(settings.extractor, serving(face=True)))
    with pool.lease() as tracker:
        expected = offline_finals(extract(frames, tracker, bundle.new_crop()), bundle, model)
    pool.close()
    assert expected

    with serve(bundle.path, None, **ROOMY) as address, Client(address) as client:
        client.start(input="frames")
        for seq, frame in enumerate(frames):
            client.send(pack_frame(seq, frame.t_ms, png(frame)))
        client.send({"type": "stop"})
        assert client.until_closed() == CloseCode.DONE
    assert_finals(client, expected)
    assert client.of("interim")


def png(frame: Frame) -> bytes:
    out = io.BytesIO()
    Image.fromarray(frame.rgb).save(out, "PNG", compress_level=1)
    return out.getvalue()


# --- made-up ones


@pytest.fixture(scope="module")
def address(fusion: tuple[Bundle, TorchClassifier]):
    with serve(fusion[0].path, **ROOMY) as address:
        yield address


def test_trackers_in_the_same_process_crop_too(fusion: tuple[Bundle, TorchClassifier], address: str) -> None:
    bundle, model = fusion
    frames = colours(EAST, WEST)
    shown = [Frame(decode_image(picture(colour)), i * FRAME_MS) for i, colour in enumerate(frames)]
    expected = offline_finals(extract(shown, ColourTracker(), bundle.new_crop()), bundle, model)
    assert len(expected) == 2
    with Client(address) as client:
        client.start(input="frames")
        client.pictures(frames)
        client.send({"type": "stop"})
        assert client.until_closed() == CloseCode.DONE
    assert_finals(client, expected)


def test_points_alone_are_refused_where_they_are_asked_for(address: str) -> None:
    with Client(address) as client:
        client.send({"type": "start", "input": "keypoints"})
        assert client.until_closed() == CloseCode.BAD_MESSAGE
    (error,) = client.received
    assert (error["code"], error["retryable"]) == (ErrorCode.UNSUPPORTED_INPUT, False)
    assert "start with input frames" in error["message"]
    assert httpx.get(f"http://{address}/v1/bundle").json()["inputs"] == ["frames"]


def test_a_model_of_pixels_alone_needs_nobody_in_view(tmp_path: Path, address: str) -> None:
    clip = video([NOBODY] * 20)
    bundle, model = made(tmp_path, "rgb", extractor="none")
    assert bundle.crop == CropSpec(SIZE, follow=False)
    frames = decode_video(clip, FPS)
    expected = read(extract(frames, ColourTracker(), bundle.new_crop()), bundle, model).probabilities
    with serve(bundle.path) as alone, browser(alone) as client:
        assert_predicted(post(client, clip).json()["predictions"], expected, bundle)
    with browser(address) as client:
        assert post(client, clip).json()["code"] == "no_signer"  # the other one looks at keypoints, too


def test_many_windows_are_read_in_several_runs(fusion: tuple[Bundle, TorchClassifier]) -> None:
    bundle, model = fusion
    frames = [Frame(decode_image(picture((10 * i % 256, 99, 40))), i * FRAME_MS) for i in range(50)]
    clip = extract(frames, ColourTracker(), bundle.new_crop())
    windows: list = []
    replace(bundle.pipeline(lambda w: windows.extend(w) or model(w)), needs_signer=False).read(clip)
    many = windows * (2 * MAX_PICTURES_RUN + 1)
    recogniser = Recogniser(bundle, threads=1)
    assert recogniser(many) == pytest.approx(model(many), abs=TOLERANCE)
    with pytest.raises(ValueError, match="a window has none"):
        recogniser([replace(windows[0], frames=None)])


@pytest.mark.slow
def test_evaluation_reads_pictures_beside_the_clips(
    fusion: tuple[Bundle, TorchClassifier], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle, model = fusion
    synthetic.write_rgb(tmp_path)
    data = tmp_path / "tiny.npz"
    examples = with_frames(load_npz(data, synthetic.FPS, synthetic.ASPECT), tmp_path / "tiny.frames.zip", SIZE)
    expected = score(examples, bundle.manifest.vocabulary, bundle.pipeline(model))
    command = [
        "evaluate",
        "--bundle",
        str(bundle.path),
        "--data",
        str(data),
        "--fps",
        "15",
        "--aspect",
        "1.33333",
        "--json",
    ]
    assert training.main(command) == 0
    assert json.loads(capsys.readouterr().out)["confusions"] == expected.model_dump(mode="json")["confusions"]
    (tmp_path / "tiny.frames.zip").unlink()
    assert training.main(command) == 2
    assert "extract the data set with --rgb 32" in capsys.readouterr().err
