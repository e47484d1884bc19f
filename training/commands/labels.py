"""`audit --labels`."""

import argparse
from pathlib import Path

from training.config import load_config

GROUPS = 5


def add_options(command: argparse.ArgumentParser) -> None:
    """The options of `audit` that are about labels."""
    command.add_argument(
        "--labels",
        type=Path,
        metavar="DIR",
        help="look for wrong labels in the sets of --config with models that have not seen the signer, and write what "
        "is found to DIR; --data is then the data folder (default: $GLOSSCAST_DATA)",
    )
    command.add_argument("--config", type=Path, metavar="FILE", help="with --labels: the sets and the models' recipe")
    command.add_argument(
        "--groups",
        type=int,
        default=GROUPS,
        metavar="N",
        help=f"with --labels: in how many groups signers are left out (default: {GROUPS})",
    )


def run_labels(args: argparse.Namespace, default: Path) -> int:
    """`audit --labels`; `default` is the data folder where `--data` names none."""
    from training.labels.audit import audit_labels

    if args.config is None or args.dataset or args.root:
        raise ValueError("audit: --labels goes with --config, and with a data folder in --data")
    folders = args.data or [default]
    if len(folders) > 1:
        raise ValueError("audit: with --labels there is one data folder")
    audit = audit_labels(load_config(args.config), folders[0], args.labels, args.groups)
    if args.json:
        print(audit.model_dump_json())
        return 0
    if not audit.has_sources:
        print("no file says its sources: the tables are by file and signer")
    for verdict, called in (("renamed", "likely another gloss"), ("wrong clips", "with likely wrong clips")):
        groups = audit.of(verdict)
        print(f"{called}: {len(groups)} glosses of a signer, {sum(len(g.suspects) for g in groups)} clips suspect")
    print(f"cannot be judged: {len(audit.unjudged)} glosses")
    print(args.labels / "labels.md")
    return 0
