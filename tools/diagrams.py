"""The diagrams of the documentation, as SVG files that GitHub and the site show alike, without any script.

    python -m tools.diagrams

A diagram is a grid: boxes have a column and a row, and arrows go between boxes. A test fails where a stored picture is
not that of its description here.
"""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
CELL = (206, 104)  # pixels of a grid cell
BOX = (172, 64)
LINE = 16
FILLS = {"data": "#ffffff", "work": "#e3ecfb", "process": "#fde9d0", "model": "#dff2e3"}
BOLD = ' font-weight="600"'
STYLE = "font: 13px system-ui, sans-serif; fill: #1a1a1a"


class Box(NamedTuple):
    """A box of a diagram.

    Attributes:
        column: of the grid; fractions are allowed.
        row: of the grid; fractions are allowed.
        text: its lines; the first is bold.
        kind: of `FILLS`.
        columns: number of columns that it covers.
    """

    column: float
    row: float
    text: tuple[str, ...]
    kind: str = "work"
    columns: int = 1


class Frame(NamedTuple):
    """A frame around the boxes of a part of the grid, with a title."""

    column: int
    row: int
    columns: int
    rows: int
    title: str


class Arrow(NamedTuple):
    """An arrow between two boxes, by their names."""

    start: str
    end: str
    label: str = ""


class Diagram(NamedTuple):
    """A whole diagram."""

    title: str
    boxes: dict[str, Box]
    arrows: tuple[Arrow, ...]
    frames: tuple[Frame, ...] = ()


DATA_FLOW = Diagram(
    "Data flow: pictures or keypoints come in, sign events go out; training and export make the bundle",
    {
        "camera": Box(0, 0, ("Camera", "in the page or a client"), "data"),
        "clip": Box(0, 1, ("Clip", "upload or file"), "data"),
        "browser": Box(1, 0, ("Browser", "privacy mode: Holistic")),
        "decode": Box(1, 1, ("Decoder of videos", "frames with times")),
        "extract": Box(2, 1, ("Extractor", "Holistic: 171 keypoints")),
        "segment": Box(3, 0, ("Segmenter", "where a sign starts", "and ends")),
        "window": Box(4, 0, ("Windows", "32 frames, 2 s,", "normalised")),
        "model": Box(4, 1, ("Recogniser", "ONNX graph:", "probabilities"), "model"),
        "events": Box(5, 0, ("Sign events", "started, interim, final"), "data"),
        "sets": Box(0, 2.4, ("Data sets", "videos, .pose, Parquet"), "data"),
        "npz": Box(1, 2.4, ("Training clips", "extract: .npz of", "keypoints"), "data"),
        "train": Box(2, 2.4, ("training", "model, segmenter,", "calibration")),
        "checkpoint": Box(3, 2.4, ("Checkpoint", "weights and config"), "data"),
        "bundle": Box(4, 2.4, ("Bundle", "export: graph,", "manifest, report"), "data"),
    },
    (
        Arrow("camera", "browser"),
        Arrow("browser", "segment", "keypoints"),
        Arrow("camera", "extract", "JPEG"),
        Arrow("clip", "decode"),
        Arrow("decode", "extract"),
        Arrow("extract", "segment"),
        Arrow("segment", "window"),
        Arrow("window", "model"),
        Arrow("model", "events"),
        Arrow("sets", "npz"),
        Arrow("npz", "train"),
        Arrow("train", "checkpoint"),
        Arrow("checkpoint", "bundle"),
        Arrow("bundle", "model", "loaded"),
    ),
    (Frame(0, 0, 6, 2, "Recognition: service and command line"), Frame(0, 2, 6, 1, "Training and export")),
)

SERVICE = Diagram(
    "Threads and processes of the service",
    {
        "page": Box(0, 0, ("Page, clients", "websocket and REST"), "data"),
        "loop": Box(1, 0, ("Event loop", "connections, sessions,", "REST, limits")),
        "batcher": Box(3, 1, ("Batcher thread", "one; windows of all", "streams and clips"), "model"),
        "worker": Box(2, 0, ("Worker thread", "one per session, reads", "its queue of frames")),
        "request": Box(1, 1, ("Request thread", "one per clip under work")),
        "fork": Box(3, 2.4, ("Fork server", "starts the processes"), "process"),
        "tracker": Box(2, 2.4, ("Tracker process", "one per stream of", "pictures, or per clip"), "process"),
        "decoder": Box(1, 2.4, ("Decoder process", "one per clip, ends", "with the clip"), "process"),
    },
    (
        Arrow("page", "loop"),
        Arrow("loop", "worker"),
        Arrow("loop", "request"),
        Arrow("worker", "batcher"),
        Arrow("request", "batcher"),
        Arrow("worker", "tracker"),
        Arrow("request", "tracker"),
        Arrow("request", "decoder"),
        Arrow("fork", "tracker"),
    ),
    (
        Frame(1, 0, 3, 2, "Process of the service"),
        Frame(1, 2, 3, 1, "Child processes with limits of the kernel"),
    ),
)

FRAME = Diagram(
    "Life of a frame in a live stream",
    {
        "receive": Box(0, 0, ("1. Received", "header checked,", "rate limited")),
        "queue": Box(1, 0, ("2. Queue", "8 frames per stream;", "the oldest is dropped")),
        "track": Box(2, 0, ("3. Keypoints", "tracker process, or", "sent by the client"), "process"),
        "turn": Box(3, 0, ("4. Turn", "fewest turns first")),
        "segment": Box(3, 1, ("5. Segmenter", "opens, extends or", "closes a segment")),
        "window": Box(2, 1, ("6. Window cut", "at an interim, or", "at the end of a sign")),
        "model": Box(1, 1, ("7. Recogniser", "in a batch with", "other streams"), "model"),
        "tell": Box(0, 1, ("8. Caption filter", "stable? reported?", "reported before?")),
        "message": Box(0, 2, ("9. Message", "interim or final"), "data"),
    },
    (
        Arrow("receive", "queue"),
        Arrow("queue", "track"),
        Arrow("track", "turn"),
        Arrow("turn", "segment"),
        Arrow("segment", "window"),
        Arrow("window", "model"),
        Arrow("model", "tell"),
        Arrow("tell", "message"),
    ),
)

BUNDLE = Diagram(
    "Life of a bundle: made by training and export, checked at every step, replaced as a whole",
    {
        "train": Box(0, 0, ("train", "checkpoint.pt")),
        "segmenter": Box(1, 0, ("segmenter", "segmenter.npz")),
        "calibrate": Box(2, 0, ("calibrate", "calibration.json")),
        "compare": Box(3, 0, ("compare", "runs.json: figures")),
        "export": Box(1, 1, ("export onnx", "writes the bundle:", "graph, manifest, hashes"), columns=2),
        "verify": Box(0, 2, ("export verify", "torch against ONNX")),
        "quantize": Box(1, 2, ("export quantize", "int8 or bf16, measured")),
        "load": Box(2, 2, ("Load", "hashes, signature,", "golden check"), "model"),
        "serve": Box(3, 2, ("Serve", "new sessions use it"), "model"),
        "reload": Box(3, 1, ("SIGHUP", "loads the next one", "beside it")),
    },
    (
        Arrow("train", "export"),
        Arrow("segmenter", "export"),
        Arrow("calibrate", "export"),
        Arrow("compare", "export"),
        Arrow("export", "verify"),
        Arrow("export", "quantize"),
        Arrow("export", "load"),
        Arrow("load", "serve"),
        Arrow("reload", "load"),
    ),
)

ALL = {"data-flow.svg": DATA_FLOW, "service.svg": SERVICE, "frame.svg": FRAME, "bundle.svg": BUNDLE}


def main() -> None:
    """Write the pictures anew."""
    for name, text in pictures().items():
        (PICTURES / name).write_text(text, encoding="utf-8")


def pictures() -> dict[str, str]:
    """Name and text of each picture."""
    return {name: svg(diagram) for name, diagram in ALL.items()}


def svg(diagram: Diagram) -> str:
    """A diagram as an SVG document on a white ground."""
    places = {name: _place(box) for name, box in diagram.boxes.items()}
    width = max(x + w for x, _, w, _ in places.values()) + 17
    height = max(y + h for _, y, _, h in places.values()) + 17
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" role="img" '
        f'style="{STYLE}">',
        f"<title>{escape(diagram.title)}</title>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="#444"/></marker></defs>',
        f'<rect width="{width:g}" height="{height:g}" rx="8" fill="#fff"/>',
        *(_frame(frame) for frame in diagram.frames),
        *(_arrow(places[arrow.start], places[arrow.end]) for arrow in diagram.arrows),
        *(_box(box, places[name]) for name, box in diagram.boxes.items()),
        *(_label(arrow.label, places[arrow.start], places[arrow.end]) for arrow in diagram.arrows if arrow.label),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


Place = tuple[float, float, float, float]
Point = tuple[float, float]


def _place(box: Box) -> Place:
    """Left, top, width and height."""
    left = 17 + box.column * CELL[0]
    return left, 28 + box.row * CELL[1], BOX[0] + (box.columns - 1) * CELL[0], BOX[1]


def _frame(frame: Frame) -> str:
    x, y = 6 + frame.column * CELL[0], 4 + frame.row * CELL[1] + (14 if frame.row else 0)
    w, h = frame.columns * CELL[0] - 10, frame.rows * CELL[1] - 2 + (24 if frame.row else 0)
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" rx="8" fill="none" stroke="#999" '
        f'stroke-dasharray="5 4"/><text x="{x + w - 10:g}" y="{y + 16:g}" text-anchor="end" fill="#555">'
        f"{escape(frame.title)}</text>"
    )


def _box(box: Box, place: Place) -> str:
    x, y, w, h = place
    top = y + h / 2 - (len(box.text) - 1) * LINE / 2 + 5
    lines = "".join(
        f'<text x="{x + w / 2:g}" y="{top + i * LINE:g}" text-anchor="middle"{"" if i else BOLD}>{escape(line)}</text>'
        for i, line in enumerate(box.text)
    )
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" rx="6" fill="{FILLS[box.kind]}" stroke="#444"/>{lines}'
    )


def _route(start: Place, end: Place) -> list[Point]:
    """The corners of an arrow: straight where boxes face each other, with one step between them otherwise."""
    (x, y, w, h), (u, v, p, q) = start, end
    if y == v:
        right = x < u
        return [(x + w, y + h / 2), (u, v + q / 2)] if right else [(x, y + h / 2), (u + p, v + q / 2)]
    if abs(x + w / 2 - u - p / 2) < 1:
        return [(x + w / 2, y + h), (u + p / 2, v)] if y < v else [(x + w / 2, y), (u + p / 2, v + q)]
    inside_x = min(max(x + w / 2, u + 20), u + p - 20)
    if y < v and abs(inside_x - x - w / 2) < w / 2:  # a wide box below
        return [(inside_x, y + h), (inside_x, v)]
    inside_x = min(max(u + p / 2, x + 20), x + w - 20)
    if y < v and abs(inside_x - u - p / 2) < 1:  # a wide box above
        return [(inside_x, y + h), (inside_x, v)]
    if y < v:
        middle = (y + h + v) / 2
        return [(x + w / 2, y + h), (x + w / 2, middle), (u + p / 2, middle), (u + p / 2, v)]
    middle = (x + w + u) / 2
    return [(x + w, y + h / 2), (middle, y + h / 2), (middle, v + q / 2), (u, v + q / 2)]


def _arrow(start: Place, end: Place) -> str:
    points = " ".join(f"{x:g},{y:g}" for x, y in _route(start, end))
    return f'<polyline points="{points}" fill="none" stroke="#444" stroke-width="1.4" marker-end="url(#tip)"/>'


def _label(text: str, start: Place, end: Place) -> str:
    corners: Sequence[Point] = _route(start, end)
    middle = len(corners) // 2
    (a, b), (c, d) = corners[middle - 1], corners[middle]
    x, y, w = (a + c) / 2, (b + d) / 2, 7 * len(text) + 6
    return (
        f'<rect x="{x - w / 2:g}" y="{y - 9:g}" width="{w:g}" height="18" fill="#fff"/>'
        f'<text x="{x:g}" y="{y + 4:g}" text-anchor="middle" font-size="12">{escape(text)}</text>'
    )


if __name__ == "__main__":
    main()
