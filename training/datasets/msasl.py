"""MS-ASL: isolated signs of ASL as stretches of YouTube videos.

`MSASL_{train,val,test}.json` hold lists of {url, start_time, end_time (s), text, label, signer_id, box, fps, ...}.
Source: samples of the files quoted in public repositories. Microsoft publishes no videos and no layout for them: here
they are expected as `videos/YOUTUBE_ID.mp4`, which `yt-dlp -o 'videos/%(id)s.%(ext)s' -f mp4` writes.
"""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from training.data import DataError
from training.datasets.item import Item, read_json, require

SPLITS = ("train", "val", "test")
KEYS = ("url", "start_time", "end_time", "text", "signer_id")


def read_msasl(root: Path) -> list[Item]:
    """Clips of MS-ASL.

    Raises:
        DataError: `root` is another folder, or a list is damaged.
    """
    videos = require(root, "videos", kind="MS-ASL")
    items = []
    for split in SPLITS:
        path = require(root, f"MSASL_{split}.json", kind="MS-ASL")
        for number, entry in enumerate(read_json(path, *KEYS)):
            media = videos / f"{_youtube_id(entry['url'], path)}.mp4"
            start_s, end_s = float(entry["start_time"]), float(entry["end_time"])
            if not 0 <= start_s < end_s:
                raise DataError(f"{path}: entry {number} lasts from {start_s:g} to {end_s:g} s")
            signer = str(entry["signer_id"])
            items.append(Item(f"{split}/{number:05}", (entry["text"],), media, split, signer, start_s, end_s))
    return items


def _youtube_id(url: str, path: Path) -> str:
    """The video's name in an address with or without a scheme, long (watch?v=ID) or short (youtu.be/ID)."""
    parts = urlsplit(url if "//" in url else f"https://{url}")
    name = parse_qs(parts.query).get("v", [parts.path.rpartition("/")[2]])[0]
    if not name:
        raise DataError(f"{path}: {url} names no video")
    return name
