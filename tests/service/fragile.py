"""A tracker that sees colours, and crashes or hangs when a picture says so; for processes of its own."""

import os
import signal
import time

from tests.service.serving import ColourTracker, picture

CRASH, HANG, FAIL = (10, 250, 10), (250, 250, 10), (10, 250, 250)


class FragileTracker(ColourTracker):
    def track(self, rgb):
        red, green, blue = (int(value) for value in rgb.reshape(-1, 3).mean(0))
        if green > 200 > max(red, blue):
            os.kill(os.getpid(), signal.SIGSEGV)
        if green > 200 and red > 200:
            time.sleep(600)
        if green > 200 and blue > 200:
            raise RuntimeError("a graph error")
        return super().track(rgb)


class StillbornTracker:
    def __init__(self):
        os.kill(os.getpid(), signal.SIGSEGV)


def fragile(colour):
    return picture(colour, kind="PNG")
