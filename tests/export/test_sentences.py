"""Recorded sentences, as an extraction of PHOENIX writes them, from training to captions."""

from pathlib import Path

import pytest

from export.to_onnx import export_bundle, with_window
from tests.service.serving import ROOMY, Client, serve
from tests.training.continuous.tiny import SIGNS, recorded_config
from training.config import Config
from training.config.continuous_variants import continuous_variant_of
from training.data import load_sets, split_by_signer
from training.tasks.sentence_scores import score_sentences, tally_sentences
from training.tasks.train import fit

APART_MS = 20_000.0  # between two sentences; the camera pauses
RAISED = {"enter_height": 5.0, "leave_height": 6.0}  # the made-up signers never lower their hands


@pytest.mark.slow
def test_sentences_of_an_unseen_signer_are_captioned_as_they_are_annotated(tmp_path: Path) -> None:
    made = continuous_variant_of(recorded_config(tmp_path), "ctc")
    optimiser = made.optimiser.model_copy(update={"epochs": 20, "clips_per_epoch": 96, "batch": 6, "ema": 0.9})
    segmenter = made.segmenter.model_copy(update=RAISED)
    config: Config = made.model_copy(update={"optimiser": optimiser, "segmenter": segmenter})
    seen, unseen = split_by_signer(load_sets(config.data, tmp_path), config.data.held_out)
    checkpoint = fit(config, seen, progress=False)
    export_bundle(with_window(checkpoint, 4000.0), tmp_path / "bundle")

    with serve(tmp_path / "bundle", **ROOMY) as address, Client(address) as client:
        client.start(aspect=unseen[0].clip.aspect)
        seq = 0
        for number, example in enumerate(unseen):
            for t_ms, keypoints in zip(example.clip.t_ms, example.clip.keypoints, strict=True):
                client.keypoints(seq, float(t_ms) + number * APART_MS, keypoints)
                seq += 1
        client.send({"type": "stop"})
        assert client.until_closed() == 1000

    finals = client.of("final")
    read = [
        tuple(m["gloss"] for m in finals if number * APART_MS <= m["start_ms"] < (number + 1) * APART_MS)
        for number in range(len(unseen))
    ]
    live = tally_sentences([example.glosses for example in unseen], read)
    whole = score_sentences(checkpoint.build_continuous(), unseen, SIGNS, config.clip.fps, beam=8)
    assert whole.rate.wer < 0.1
    assert live.rate.wer < 0.2
