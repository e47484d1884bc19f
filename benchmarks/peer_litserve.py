"""The peer that `benchmarks.peer` compares the service with: the same decoder, extractor and model behind LitServe.

Written as its documentation has it: one worker process, `decode_request` in it, and a batch of requests in one call
of `predict`. LitServe has no live streams of this kind.
"""

import sys
from dataclasses import replace
from time import perf_counter
from typing import Any

import litserve
from starlette.requests import Request

from glosscast.bundle import load_bundle
from glosscast.clip import Clip
from glosscast.holistic import extract, new_tracker, serving
from glosscast.ranking import ranked
from glosscast.recogniser import Recogniser
from glosscast.video import decode_video
from service.settings import Settings

TOP_K = 5


class ClassifyAPI(litserve.LitAPI):  # type: ignore[misc]
    """A clip to glosses."""

    def setup(self, device: str) -> None:
        """Load the model and the extractor that the service loads."""
        settings = Settings()
        self._bundle = load_bundle(settings.bundle)
        model = Recogniser(self._bundle, settings.providers or (), settings.inference_threads, settings.precision)
        # The published figures were measured with segments of the rule.
        self._pipeline = replace(self._bundle.sign_pipeline(model), tagging=None)
        self._tracker = new_tracker(settings.extractor, serving(self._bundle.manifest.keypoints.face))

    def decode_request(self, request: Request) -> Clip:
        """Keypoints of the upload. LitServe hands over the form, whatever the annotation that asks for it says."""
        content = request["file"].file.read()
        self._tracker.reset()
        return extract(list(decode_video(content, self._bundle.manifest.clip.fps)), self._tracker)

    def predict(self, x: Clip) -> dict[str, Any]:
        """The service's answer to a clip."""
        began = perf_counter()
        reading = self._pipeline.read(x)
        inference_ms = (perf_counter() - began) * 1000
        predictions = [best._asdict() for best in ranked(self._bundle.vocabulary, reading.probabilities, TOP_K)]
        return {"predictions": predictions, "timings_ms": {"inference": inference_ms}}

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        """The answer as JSON."""
        return output


if __name__ == "__main__":
    port, workers = map(int, sys.argv[1:])
    server = litserve.LitServer(
        ClassifyAPI(api_path="/v1/classify"), accelerator="cpu", workers_per_device=workers, timeout=False
    )
    server.run(host="127.0.0.1", port=port, log_level="warning", generate_client_file=False, num_api_servers=1)
