"""Real recordings, real trackers, the embedded bundle: a clip sent as live frames reads as the same clip uploaded."""

import io

import httpx
import pytest
from PIL import Image

from glosscast.bundle import EMBEDDED
from glosscast.protocol import pack_frame
from glosscast.video import decode_video
from tests.service.process import DATA
from tests.service.serving import Client, serve

CLIPS = DATA / "clips"
FPS = 16
REST_MS = 1000.0  # the signer stands still between two clips, arms down, as each clip ends
# File and gloss; the glosses are those that the bundle may know, and each clip holds one sign from rest to rest.
NAMES = {
    "no__startasl_F1__no.mp4": "no",
    "please__startasl_F1__please.mp4": "please",
    "thankyou__startasl_F1__thank-you.mp4": "thanks",
    "yes__startasl_F1__yes.mp4": "yes",
}
TAUGHT, TAUGHT_CLIP = "want", "want__startasl_M1__want-2.mp4"  # a sign outside the vocabulary
PATIENCE_S = 120  # for one clip; the machine may be busy

pytestmark = [
    pytest.mark.data,
    pytest.mark.slow,
    pytest.mark.skipif(not CLIPS.is_dir(), reason=f"no recordings in {CLIPS}"),
    pytest.mark.skipif(not EMBEDDED.is_dir(), reason=f"no bundle in {EMBEDDED}"),
]


@pytest.fixture(scope="module")
def address():
    with serve(EMBEDDED, None, queue_frames=1000, max_fps=1000.0, idle_s=PATIENCE_S) as address:
        yield address


@pytest.fixture(scope="module")
def uploaded(address):
    """What REST says about each clip, by file name."""
    answers = {}
    for name in NAMES:
        files = {"file": (name, (CLIPS / name).read_bytes())}
        answer = httpx.post(f"http://{address}/v1/classify", files=files, timeout=PATIENCE_S)
        assert answer.status_code == 200, answer.text
        answers[name] = answer.json()
    return answers


def gloss_of(answer):
    """What a stream tells of the one sign of an uploaded clip."""
    (gloss,) = [sign["gloss"] for sign in answer["signs"]] or ["no sign"]
    return gloss


def jpegs(name, fps=FPS):
    """(t_ms, JPEG) of a clip, as a webcam page would send it."""
    for frame in decode_video(CLIPS / name, fps):
        out = io.BytesIO()
        Image.fromarray(frame.rgb).save(out, "JPEG", quality=90)
        yield frame.t_ms, out.getvalue()


class Player:
    """Sends clips one after another over a connection, with rest between them."""

    def __init__(self, client):
        self.client = client
        self.seq = 0
        self.begin_ms = 0.0

    def play(self, name, fps=FPS):
        for t_ms, jpeg in jpegs(name, fps):
            last_ms = self.begin_ms + t_ms
            self._send(last_ms, jpeg)
        for still in range(1, int(REST_MS * FPS / 1000)):
            self._send(last_ms + still * 1000 / FPS, jpeg)
        self.begin_ms = last_ms + REST_MS

    def _send(self, t_ms, jpeg):
        self.client.send(pack_frame(self.seq, t_ms, jpeg))
        self.seq += 1


def replay(address, *names):
    """Send clips; the client, when all is said."""
    with Client(address) as client:
        client.start(input="frames")
        player = Player(client)
        for name in names:
            player.play(name)
        client.send({"type": "stop"})
        assert client.until_closed() == 1000
    return client


@pytest.fixture(scope="module", params=NAMES)
def replayed(request, address):
    """A clip's name, and the client that sent it as live frames."""
    return request.param, replay(address, request.param)


def test_a_clip_as_live_frames_gives_exactly_one_final(replayed):
    _, client = replayed
    assert len(client.finals()) == 1
    assert client.received[-1]["summary"]["dropped"] == 0
    assert len(client.of("sign_started")) == 1
    assert len(client.of("interim")) >= 1


def test_live_frames_read_as_the_same_gloss_as_the_upload(replayed, uploaded):
    name, client = replayed
    assert client.finals() == [gloss_of(uploaded[name])]


def test_two_clips_with_rest_between_them_give_two_finals(address, uploaded):
    first, second = "please__startasl_F1__please.mp4", "yes__startasl_F1__yes.mp4"
    client = replay(address, first, second)

    assert client.finals() == [gloss_of(uploaded[name]) for name in (first, second)]
    assert [m["segment"] for m in client.of("final")] == [0, 1]


def test_at_least_three_of_the_four_are_read_right(uploaded):
    right = [answer["predictions"][0]["gloss"] == NAMES[name] for name, answer in uploaded.items()]
    assert sum(right) >= 3, {name: a["predictions"][:2] for name, a in uploaded.items()}


def test_a_sign_that_is_taught_is_read_when_it_is_signed_again(address):
    made = httpx.post(f"http://{address}/v1/lexicons", json={"name": TAUGHT}, timeout=PATIENCE_S)
    assert made.status_code == 201, made.text
    with Client(address) as client:
        client.start(input="frames", lexicon=TAUGHT)
        player = Player(client)
        player.play(TAUGHT_CLIP)
        assert client.until("final")["gloss"] != TAUGHT
        client.send({"type": "teach", "gloss": TAUGHT})
        answers = []
        for fps in (FPS - 1, FPS - 2, FPS - 3):  # other frames of the same clip
            player.play(TAUGHT_CLIP, fps)
            answers.append(client.until("taught"))
        client.send({"type": "teach_done"})
        player.play(TAUGHT_CLIP)
        assert client.until("final")["gloss"] == TAUGHT
        client.send({"type": "stop"})
        assert client.until_closed() == 1000

    assert [(m["accepted"], m["examples"]) for m in answers] == [(True, 1), (True, 2), (True, 3)]
    assert answers[-1]["consistency"] > 0.9
    assert not any(m["outlier"] for m in answers)
