"""The web service: clips over REST, live captions over a websocket, and the page at `/`.

Start it from the root of a checkout with `python -m service`.
"""

import os

# NumPy multiplies nothing here that is large enough for two threads, but OpenBLAS takes them for the segmenter's
# matrices, and all streams then wait for each other. Read when NumPy is loaded, also in the trackers' processes.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
