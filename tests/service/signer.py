"""A client that signs to a stream with a lexicon, which it reads with and teaches."""

import numpy as np

from tests.bundles import ASPECT, FRAME_MS, signing
from tests.service.serving import Client

LEXICON = "family"
UP = 24  # frames of `signing` with one sign, until the hand has been up for a while


class Signer(Client):
    """A client whose signs follow each other, each a little different from the ones before."""

    def __init__(self, address, seed=0, **options):
        super().__init__(address, **options)
        self.random = np.random.default_rng(seed)
        self.seq = 0
        self.steady = False  # whether one sign is exactly like another

    def start(self, **fields):
        return super().start(**{"aspect": ASPECT, "lexicon": LEXICON, **fields})

    def sign(self, *signs, first=0, last=None):
        """Send these frames of someone who signs; by default they begin and end at rest."""
        for _, keypoints in signing(*signs)[first:last]:
            moved = keypoints.copy()
            if not self.steady:
                moved[:, :2] += self.random.normal(0, 0.001, moved[:, :2].shape) * (moved[:, 3:] > 0)
            self.keypoints(self.seq, self.seq * FRAME_MS, moved)
            self.seq += 1

    def teach(self, gloss, **more):
        self.send({"type": "teach", "gloss": gloss, **more})

    def done(self):
        self.send({"type": "teach_done"})

    def taught(self, *signs):
        """What is said of each of these examples."""
        self.sign(*signs)
        return [self.until("taught") for _ in signs]

    def read(self, *signs):
        """What these signs are read as."""
        self.sign(*signs)
        return [self.until("final")["gloss"] for _ in signs]

    def stop(self):
        self.send({"type": "stop"})
        assert self.until_closed() == 1000


def outcomes(messages):
    """What became of examples: the messages in short."""
    return [(m["gloss"], m["accepted"], m["examples"], m["reason"]) for m in messages]
