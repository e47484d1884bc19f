"""The commands that audit data sets and extract their keypoints."""

import argparse
import json
import sys
from dataclasses import asdict

from glosscast.video import MIN_SIDE_PX
from training.config.folder import data_folder
from training.data import load_npz
from training.datasets import load


def run_audit(args: argparse.Namespace) -> int:
    """`audit`."""
    if args.labels:
        from training.commands.labels import run_labels

        return run_labels(args, data_folder())
    from training.datasets.audit import audit_files, audit_items, text
    from training.datasets.neighbours import NEAR

    if bool(args.data) == bool(args.dataset) or bool(args.dataset) != bool(args.root):
        raise ValueError("audit: give either --data, or --dataset and --root")
    if args.data:
        files = {path: load_npz(path, args.fps, args.aspect) for path in args.data}
        found = audit_files(files, args.near or NEAR)
    else:
        found = audit_items(load(args.dataset, args.root, args.skip_missing)[0])
    print(json.dumps(asdict(found)) if args.json else text(found))
    return 0


def run_extract(args: argparse.Namespace) -> int:
    """`extract`; 1 where a clip failed, since the rest is usable."""
    from training.datasets.extract import extract_all
    from training.datasets.keypoints import read_clip, read_unseen

    if not (args.dataset and args.root):
        raise ValueError("extract: give --dataset and --root")
    if args.workers < 1:
        raise ValueError(f"extract: --workers must be 1 or more, got {args.workers}")
    if args.rgb is not None and args.rgb < MIN_SIDE_PX:
        raise ValueError(f"extract: --rgb must be {MIN_SIDE_PX} or more, got {args.rgb}")
    if args.no_keypoints and args.rgb is None:
        raise ValueError("extract: --no-keypoints leaves nothing to extract without --rgb")
    driver = None
    if args.ray:
        from training.datasets.ray_extract import on_ray

        driver = on_ray(args.ray, args.out)
    read = read_unseen if args.no_keypoints else read_clip
    items, left_out = load(args.dataset, args.root, args.skip_missing)
    files, failed = extract_all(items, args.out, args.workers, args.fps, read, args.rgb, driver=driver)
    for path in files:
        print(path)
    print(f"{len(items) - len(failed)} clips extracted, {len(failed)} failed, {len(left_out)} not on disk")
    for name, reason in failed.items():
        print(f"  {name}: {reason}", file=sys.stderr)
    return 1 if failed else 0
