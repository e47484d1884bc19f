"""Clips of signs that are taught over REST, and the requests that teach them."""

import io

from glosscast.lexicon.file import write_lexicon
from glosscast.lexicon.signs import SignExample
from tests.service.serving import (
    FAR,
    NEAR,
    colours,
    video,
)

SIGN_NEAR = video(colours(NEAR))


SIGN_NEAR_LONG = video(colours(NEAR, sign_frames=24))


SIGN_FAR = video(colours(FAR))


HOME = "/v1/lexicons"


def teach(client, name, gloss, *clips, **fields):
    files = [("file", (f"clip{i}.mp4", clip)) for i, clip in enumerate(clips, 1)]
    return client.post(f"{HOME}/{name}/signs", data={"gloss": gloss, **fields}, files=files)


def glosses(client, name):
    return [sign["gloss"] for sign in client.get(f"{HOME}/{name}/signs").json()["signs"]]


def take_in(client, name, content):
    return client.post(f"{HOME}/{name}/import", files={"file": ("a.npz", content)})


def example_like(example, probabilities, embedding):
    return SignExample(example.t_ms, example.keypoints, example.start_ms, example.end_ms, probabilities, embedding)


def file_of(lexicon):
    file = io.BytesIO()
    write_lexicon(lexicon, file)
    return file.getvalue()
