"""The command line of `python -m training`; `--help` lists the commands."""

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args

from glosscast.bundle import EMBEDDED
from glosscast.sentences.language_model import MAX_ORDER
from training.commands import datasets, folds, labels, language_models, lexicons, recognisers
from training.config import Visual
from training.config.folder import data_folder
from training.config.folds import Use
from training.datasets import READERS

Run = Callable[[argparse.Namespace], int]


def main(argv: list[str] | None = None) -> int:
    """Run a command; faults of the input end with one line on stderr and exit code 2."""
    args = parser().parse_args(argv)
    try:
        return int(args.run(args))
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
    return 2


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m training", description="Train and score recognisers.")
    choices = top.add_subparsers(required=True, metavar="COMMAND")

    train = choices.add_parser("train", help="train a model and write DIR/checkpoint.pt")
    train.add_argument("--config", type=Path, required=True, metavar="FILE", help="TOML config")
    train.add_argument("--out", type=Path, required=True, metavar="DIR")
    train.add_argument("--resume", action="store_true", help="go on where a training that wrote to DIR stopped")
    train.add_argument(
        "--pretrained",
        metavar="k400|FILE",
        help="initial weights of the rgb stream: Kinetics-400 from the network, or a .pyth or .pkl file",
    )
    add_data_folder(train)
    train.set_defaults(run=recognisers.run_train)

    evaluate = choices.add_parser("evaluate", help="score a bundle on labelled clips")
    evaluate.add_argument("--bundle", type=Path, default=EMBEDDED, metavar="DIR")
    evaluate.add_argument("--data", type=Path, required=True, metavar="FILE.npz")
    evaluate.add_argument(
        "--alias", action="append", default=[], metavar="GLOSS=NAME", help="rename a gloss of the file"
    )
    evaluate.add_argument("--fps", type=positive, default=15.0, help="frame rate of the clips (default: 15)")
    evaluate.add_argument("--aspect", type=positive, default=4 / 3, help="frame width / height (default: 4/3)")
    evaluate.add_argument("--json", action="store_true", help="print JSON")
    evaluate.set_defaults(run=recognisers.run_evaluate)

    sentences = choices.add_parser("evaluate-sentences", help="score a checkpoint of sentences on left-out signers")
    sentences.add_argument("--checkpoint", type=Path, required=True, metavar="FILE")
    sentences.add_argument(
        "--signers", type=names, default=[], help="comma-separated (default: those held out, and the test sets)"
    )
    sentences.add_argument("--count", type=int, default=200, help="sentences made of isolated clips (default: 200)")
    sentences.add_argument("--seed", type=int, default=0, help="seed with which they are drawn (default: 0)")
    sentences.add_argument("--beam", type=int, default=1, help="width of the beam search; 1, the default: best path")
    sentences.add_argument("--json", action="store_true", help="print JSON, with the hypothesis of each sentence")
    add_data_folder(sentences)
    sentences.set_defaults(run=recognisers.run_evaluate_sentences)

    compare = choices.add_parser("compare", help="train and score variants with signers left out, and report on them")
    compare.add_argument("--config", type=Path, required=True, metavar="FILE")
    compare.add_argument("--out", type=Path, required=True, metavar="DIR", help="finished work in it is not done again")
    compare.add_argument(
        "--set", action="append", default=[], metavar="TABLE.KEY=VALUE", help="change a key of the config, as in TOML"
    )
    add_fold_choice(compare, "signers left out together (default: test on the sets with the role test)")
    compare.add_argument("--first", type=count, metavar="N", help="only the first N of these folds")
    compare.add_argument(
        "--seeds", type=whole_numbers, default="1,2,3,4,5", help="comma-separated (default: 1,2,3,4,5)"
    )
    compare.add_argument("--glosses", help="comma-separated glosses that are scored (default: all but 'no sign')")
    compare.add_argument("--variants", help="comma-separated (default: every loss, on keypoints)")
    compare.add_argument("--baseline", metavar="VARIANT", help="default: the first one with cross-entropy")
    compare.add_argument(
        "--calibration", type=Path, metavar="FILE.json", help="read as a bundle with what `calibrate` wrote does"
    )
    compare.add_argument("--jobs", type=int, default=1, metavar="N", help="processes of one thread each (default: 1)")
    compare.add_argument(
        "--no-robustness", action="store_true", help="read the clips as they are alone, which takes a tenth of the time"
    )
    add_data_folder(compare)
    compare.set_defaults(run=recognisers.run_compare)

    segmenter = choices.add_parser("segmenter", help="learn where signs start and end, for a bundle")
    segmenter.add_argument("--config", type=Path, required=True, metavar="FILE")
    segmenter.add_argument("--out", type=Path, required=True, metavar="FILE.npz")
    add_data_folder(segmenter)
    segmenter.set_defaults(run=folds.run_segmenter)

    add_fold_scores(
        choices,
        "evaluate-segmenter",
        folds.run_evaluate_segmenter,
        "score segmenters on streams made of left-out signers' clips",
    )
    readers = add_fold_scores(
        choices,
        "evaluate-readers",
        folds.run_evaluate_readers,
        "score how checkpoints of either kind read streams made of left-out signers' clips, each by its own reader",
    )
    readers.add_argument(
        "--calibration",
        type=Path,
        metavar="FILE.json",
        help="of recognisers of single signs, the output of `calibrate`",
    )
    add_fold_scores(
        choices,
        "evaluate-rejection",
        folds.run_evaluate_rejection,
        "score how well signs outside the vocabulary are distinguished from those in it",
    )
    add_fold_scores(
        choices,
        "evaluate-invariance",
        folds.run_evaluate_invariance,
        "read left-out signers' clips mirrored, turned, at other frame rates and shapes",
    )
    detections = add_fold_scores(
        choices,
        "evaluate-told",
        folds.run_evaluate_told,
        "count what is reported for left-out signers' clips, for other signs, and for idle hands",
    )
    detections.add_argument(
        "--calibration", type=Path, required=True, metavar="FILE.json", help="the output of `calibrate`"
    )
    detections.add_argument("--hours", type=positive, default=2.0, help="of idle streams, each fold (default: 2)")

    calibrate = choices.add_parser("calibrate", help="find the temperature and the least confidence, for a bundle")
    add_folds(calibrate)
    calibrate.add_argument("--out", type=Path, required=True, metavar="FILE.json")
    calibrate.set_defaults(run=folds.run_calibrate)

    one_shot = choices.add_parser(
        "one-shot", help="read signs that other people taught by a few examples, with a bundle"
    )
    one_shot.add_argument("--bundle", type=Path, default=EMBEDDED, metavar="DIR", help="default: the embedded one")
    one_shot.add_argument("--data", type=Path, required=True, metavar="FILE.npz", help="clips to ask with")
    one_shot.add_argument(
        "--enrol", type=Path, metavar="FILE.npz", help="clips to teach with (default: those of other signers in --data)"
    )
    one_shot.add_argument("--fps", type=positive, default=15.0, help="frame rate where a file has none (default: 15)")
    one_shot.add_argument(
        "--aspect", type=positive, default=4 / 3, help="frame width / height, likewise (default: 4/3)"
    )
    one_shot.add_argument("--seed", type=int, default=1, help="seed with which lexicons are drawn (default: 1)")
    one_shot.add_argument("--json", action="store_true", help="print JSON")
    one_shot.set_defaults(run=lexicons.run_one_shot)
    by_folds = add_fold_scores(
        choices,
        "evaluate-one-shot",
        lexicons.run_evaluate_one_shot,
        "read signs taught by a few examples with checkpoints that have seen neither them nor their signers",
    )
    for command in (one_shot, by_folds):
        command.add_argument("--ways", type=counts, default="10,46", help="signs of a lexicon (default: 10,46)")
        command.add_argument("--shots", type=counts, default="1,3,5", help="examples of a sign (default: 1,3,5)")
        command.add_argument(
            "--self-taught", action="store_true", help="everybody teaches their own signs (default: others do)"
        )
        command.add_argument("--draws", type=count, default=50, help="lexicons of each size (default: 50)")

    taught = choices.add_parser(
        "calibrate-lexicon", help="find the numbers by which taught signs are read, for a bundle"
    )
    add_folds(taught)
    taught.add_argument(
        "--calibration", type=Path, required=True, metavar="FILE.json", help="the output of `calibrate`"
    )
    taught.add_argument("--out", type=Path, required=True, metavar="FILE.json")
    taught.set_defaults(run=lexicons.run_calibrate_lexicon)

    inspect = choices.add_parser("inspect", help="print the parameters and multiply-adds of a visual model")
    inspect.add_argument("--model", choices=get_args(Visual), required=True)
    inspect.add_argument("--size", type=int, default=224, help="height and width of the frames (default: 224)")
    inspect.add_argument("--classes", type=int, default=400, help="default: 400, those of Kinetics")
    inspect.add_argument(
        "--pretrained",
        metavar="k400|FILE",
        help="also load weights and say what matched: Kinetics-400 from the network, or a .pyth or .pkl file",
    )
    inspect.add_argument("--json", action="store_true", help="print JSON")
    inspect.set_defaults(run=recognisers.run_inspect)

    wer = choices.add_parser("wer", help="score recognised gloss sequences against their references")
    wer.add_argument("--ref", type=Path, required=True, metavar="FILE", help=".trn, .stm or .ctm")
    wer.add_argument("--hyp", type=Path, required=True, metavar="FILE", help=".trn, .stm or .ctm")
    wer.add_argument("--json", action="store_true", help="print JSON")
    wer.set_defaults(run=recognisers.run_wer)
    gloss_model = choices.add_parser("language-model", help="count glosses in text, for a bundle of sentences")
    gloss_model.add_argument("--text", type=Path, nargs="+", required=True, metavar="FILE", help="a sentence a line")
    gloss_model.add_argument("--out", type=Path, required=True, metavar="FILE.npz")
    gloss_model.add_argument(
        "--config", type=Path, metavar="FILE", help="has the vocabulary (default: all glosses of the text)"
    )
    gloss_model.add_argument(
        "--order", type=int, choices=range(1, MAX_ORDER + 1), default=2, help="glosses of an n-gram (default: 2)"
    )
    gloss_model.add_argument("--test", type=Path, nargs="+", default=[], metavar="FILE", help="print its perplexity")
    gloss_model.set_defaults(run=language_models.run_language_model)
    audit = choices.add_parser("audit", help="look for faults that make a data set's scores meaningless")
    audit.add_argument(
        "--data", type=Path, action="append", metavar="FILE.npz", help="more than one: splits of one set; see --labels"
    )
    add_dataset(audit)
    labels.add_options(audit)
    audit.add_argument("--fps", type=positive, default=15.0, help="frame rate where a file has none (default: 15)")
    audit.add_argument("--aspect", type=positive, default=4 / 3, help="frame width / height, likewise (default: 4/3)")
    audit.add_argument("--near", type=positive, help="how near clips of two glosses are suspect, in shoulder widths")
    audit.add_argument("--json", action="store_true", help="print JSON")
    audit.set_defaults(run=datasets.run_audit)

    extract = choices.add_parser("extract", help="run Holistic over a data set and write .npz files, one a split")
    add_dataset(extract)
    extract.add_argument("--out", type=Path, required=True, metavar="DIR", help="a run that stopped goes on here")
    extract.add_argument("--workers", type=int, default=1, help="processes, about 400 MB each (default: 1)")
    extract.add_argument(
        "--ray",
        nargs="?",
        const="local",
        metavar="ADDRESS",
        help="spread them over a Ray cluster: HOST:PORT, auto or local (default without ADDRESS: local)",
    )
    extract.add_argument("--fps", type=positive, default=15.0, help="frame rate of the clips (default: 15)")
    extract.add_argument("--rgb", type=int, metavar="SIZE", help="also keep the signer's pictures, SIZE px a side")
    extract.add_argument(
        "--no-keypoints", action="store_true", help="only pictures: do not run Holistic, the keypoints are all missing"
    )
    extract.set_defaults(run=datasets.run_extract)
    return top


def add_folds(command: argparse.ArgumentParser) -> None:
    """The options of measurements on left-out signers with a recogniser that has not seen them."""
    command.add_argument("--config", type=Path, required=True, metavar="FILE")
    add_fold_choice(command, "signers left out together")
    command.add_argument(
        "--checkpoint",
        action="extend",
        nargs="+",
        default=[],
        type=Path,
        metavar="FILE",
        help="trained without them: one for each fold, then one for each fold with the next seed, and so on",
    )
    add_data_folder(command)


def add_fold_choice(command: argparse.ArgumentParser, about: str) -> None:
    """The options that name the signers who are left out together, or a file of folds."""
    command.add_argument("--fold", action="append", default=[], metavar="SIGNER,SIGNER", help=about)
    command.add_argument("--folds", type=Path, metavar="FILE", help="or a TOML file of [[fold]] tables")
    command.add_argument("--use", choices=get_args(Use), help="only the folds of the file that are for this")


def add_data_folder(command: argparse.ArgumentParser) -> None:
    """The option that says where the .npz files are."""
    command.add_argument(
        "--data", type=Path, default=data_folder(), metavar="DIR", help="data folder (or $GLOSSCAST_DATA)"
    )


def add_fold_scores(
    choices: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, run: Run, text: str
) -> argparse.ArgumentParser:
    """Add a command that scores checkpoints on the signers that folds left out."""
    command = choices.add_parser(name, help=text)
    add_folds(command)
    command.add_argument("--json", action="store_true", help="print JSON, by fold")
    command.set_defaults(run=run)
    return command


def add_dataset(command: argparse.ArgumentParser) -> None:
    """The options that say which public data set is where."""
    command.add_argument("--dataset", choices=READERS, metavar="KIND", help=f"one of {', '.join(READERS)}")
    command.add_argument("--root", type=Path, metavar="DIR", help="the data set's folder, see docs/how-to/datasets.md")
    command.add_argument("--skip-missing", action="store_true", help="leave out clips that are not on disk")


def positive(text: str) -> float:
    """A number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number


def count(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def counts(text: str) -> list[int]:
    """Comma-separated whole numbers from 1 on."""
    return [count(part) for part in text.split(",")]


def whole_numbers(text: str) -> list[int]:
    """Comma-separated whole numbers."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of whole numbers") from None


def names(text: str) -> list[str]:
    """Comma-separated names."""
    return text.split(",")


if __name__ == "__main__":
    sys.exit(main())
