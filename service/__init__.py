"""The web service: clips over REST, live captions over a websocket, and the page at `/`.

Start it from the root of a checkout with `python -m service`.
"""
