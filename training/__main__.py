"""`python -m training train | evaluate | evaluate-sentences | compare | inspect | audit | extract | wer`."""

import argparse
import json
import math
import os
import shlex
import sys
from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path

from glosscast.bundle import EMBEDDED, load_bundle
from glosscast.video import MIN_SIDE_PX
from training.config import Config, load_config
from training.data import load_npz
from training.datasets import READERS, load
from training.slowfast import LAYOUTS

# The paper's Table I, with a yardstick.
TABLE = (
    "keypoints+ce",
    "keypoints+triplet",
    "keypoints+focal",
    "keypoints+adaptive",
    "keypoints+prototype",
    "lstm+ce",
)
SENTENCE_TABLE = ("keypoints+ctc", "keypoints+ctc+focal", "keypoints+ctc+triplet", "keypoints+adaptive")
DEFAULT_DATA = Path(__file__).parent.parent.parent / "shared" / "data"


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
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    train = commands.add_parser("train", help="train a model and write DIR/checkpoint.pt")
    train.add_argument("--config", type=Path, required=True, metavar="FILE", help="TOML config")
    train.add_argument("--out", type=Path, required=True, metavar="DIR")
    train.add_argument("--resume", action="store_true", help="go on where a training that wrote to DIR stopped")
    train.add_argument(
        "--pretrained",
        metavar="k400|FILE",
        help="what the rgb stream starts from: Kinetics-400 from the network, or a .pyth or .pkl file",
    )
    add_data_folder(train)
    train.set_defaults(run=run_train)

    evaluate = commands.add_parser("evaluate", help="score a bundle on labelled clips")
    evaluate.add_argument("--bundle", type=Path, default=EMBEDDED, metavar="DIR")
    evaluate.add_argument("--data", type=Path, required=True, metavar="FILE.npz")
    evaluate.add_argument(
        "--alias", action="append", default=[], metavar="GLOSS=NAME", help="rename a gloss of the file"
    )
    evaluate.add_argument("--fps", type=positive, default=15.0, help="frame rate of the clips (default: 15)")
    evaluate.add_argument("--aspect", type=positive, default=4 / 3, help="frame width / height (default: 4/3)")
    evaluate.add_argument("--json", action="store_true", help="print JSON")
    evaluate.set_defaults(run=run_evaluate)

    sentences = commands.add_parser("evaluate-sentences", help="score a checkpoint of sentences on left-out signers")
    sentences.add_argument("--checkpoint", type=Path, required=True, metavar="FILE")
    sentences.add_argument(
        "--signers", type=names, default=[], help="comma-separated (default: those held out, and the test sets)"
    )
    sentences.add_argument("--count", type=int, default=200, help="sentences made of isolated clips (default: 200)")
    sentences.add_argument("--seed", type=int, default=0, help="of their drawing (default: 0)")
    sentences.add_argument("--beam", type=int, default=1, help="width of the beam search; 1, the default: best path")
    sentences.add_argument("--json", action="store_true", help="print JSON, with what was read of each sentence")
    add_data_folder(sentences)
    sentences.set_defaults(run=run_evaluate_sentences)

    compare = commands.add_parser("compare", help="train and score variants with signers left out, and report on them")
    compare.add_argument("--config", type=Path, required=True, metavar="FILE")
    compare.add_argument("--out", type=Path, required=True, metavar="DIR", help="what it holds is not done again")
    compare.add_argument(
        "--fold",
        action="append",
        default=[],
        metavar="SIGNER,SIGNER",
        help="signers left out together (default: test on the sets with the role test)",
    )
    compare.add_argument(
        "--seeds", type=whole_numbers, default="1,2,3,4,5", help="comma-separated (default: 1,2,3,4,5)"
    )
    compare.add_argument("--glosses", help="comma-separated glosses that are scored (default: all but 'no sign')")
    compare.add_argument("--variants", help="comma-separated (default: every loss, on keypoints)")
    compare.add_argument("--baseline", metavar="VARIANT", help="default: the first one with cross-entropy")
    compare.add_argument("--jobs", type=int, default=1, metavar="N", help="processes of one thread each (default: 1)")
    add_data_folder(compare)
    compare.set_defaults(run=run_compare)

    inspect = commands.add_parser("inspect", help="print the parameters and multiply-adds of a visual model")
    inspect.add_argument("--model", choices=LAYOUTS, required=True)
    inspect.add_argument("--size", type=int, default=224, help="height and width of the frames (default: 224)")
    inspect.add_argument("--classes", type=int, default=400, help="default: 400, those of Kinetics")
    inspect.add_argument(
        "--pretrained",
        metavar="k400|FILE",
        help="also load weights and say what matched: Kinetics-400 from the network, or a .pyth or .pkl file",
    )
    inspect.add_argument("--json", action="store_true", help="print JSON")
    inspect.set_defaults(run=run_inspect)

    wer = commands.add_parser("wer", help="score recognised gloss sequences against their references")
    wer.add_argument("--ref", type=Path, required=True, metavar="FILE", help=".trn, .stm or .ctm")
    wer.add_argument("--hyp", type=Path, required=True, metavar="FILE", help=".trn, .stm or .ctm")
    wer.add_argument("--json", action="store_true", help="print JSON")
    wer.set_defaults(run=run_wer)
    audit = commands.add_parser("audit", help="look for what makes a data set's scores mean nothing")
    audit.add_argument(
        "--data", type=Path, action="append", metavar="FILE.npz", help="more than one: splits of one set"
    )
    add_dataset(audit)
    audit.add_argument("--fps", type=positive, default=15.0, help="frame rate where a file has none (default: 15)")
    audit.add_argument("--aspect", type=positive, default=4 / 3, help="frame width / height, likewise (default: 4/3)")
    audit.add_argument("--near", type=positive, help="how near clips of two glosses are suspect, in shoulder widths")
    audit.add_argument("--json", action="store_true", help="print JSON")
    audit.set_defaults(run=run_audit)

    extract = commands.add_parser("extract", help="run Holistic over a data set and write .npz files, one a split")
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
    extract.set_defaults(run=run_extract)
    return top


def add_data_folder(command: argparse.ArgumentParser) -> None:
    """The option that says where the .npz files are."""
    default = Path(os.environ.get("GLOSSCAST_DATA", DEFAULT_DATA))
    command.add_argument("--data", type=Path, default=default, metavar="DIR", help="data folder (or $GLOSSCAST_DATA)")


def add_dataset(command: argparse.ArgumentParser) -> None:
    """The options that say which public data set is where."""
    command.add_argument("--dataset", choices=READERS, metavar="KIND", help=f"one of {', '.join(READERS)}")
    command.add_argument("--root", type=Path, metavar="DIR", help="the data set's folder, see docs/datasets.md")
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


def whole_numbers(text: str) -> list[int]:
    """Comma-separated whole numbers."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of whole numbers") from None


def names(text: str) -> list[str]:
    """Comma-separated names."""
    return text.split(",")


def read_aliases(pairs: Sequence[str], glosses: Collection[str], vocabulary: Collection[str]) -> dict[str, str]:
    """`GLOSS=NAME` options.

    Raises:
        ValueError: not of that form, said twice, or naming a gloss that is not there: it would change nothing.
    """
    alias: dict[str, str] = {}
    for pair in pairs:
        gloss, equals, name = pair.partition("=")
        if not equals:
            raise ValueError(f"--alias {pair}: must be GLOSS=NAME")
        if gloss in alias:
            raise ValueError(f"--alias {pair}: {gloss} has a name already")
        if gloss not in glosses:
            raise ValueError(f"--alias {pair}: no clip has the gloss {gloss}")
        if name not in vocabulary:
            raise ValueError(f"--alias {pair}: {name} is not in the bundle's vocabulary")
        alias[gloss] = name
    return alias


def run_train(args: argparse.Namespace) -> int:
    """`train`; of several processes the first one writes the checkpoint."""
    from training.distributed import rank
    from training.pretrained import stream_weights
    from training.train import train

    config: Config = load_config(args.config)
    pretrained = None if args.pretrained is None else stream_weights(config.model, args.pretrained)
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "checkpoint.pt"
    path.with_suffix(".partial").open("wb").close()  # fails now rather than after the training
    checkpoint = train(config, args.data, pretrained=pretrained, out=args.out, resume=args.resume)
    if rank() == 0:
        checkpoint.save(path)
        print(path)
    return 0


def run_evaluate(args: argparse.Namespace) -> int:
    """`evaluate`."""
    from glosscast.recogniser import Recogniser
    from training.evaluate import score, select

    bundle = load_bundle(args.bundle)
    manifest = bundle.manifest
    clips = load_npz(args.data, args.fps, args.aspect)
    alias = read_aliases(args.alias, {clip.gloss for clip in clips}, manifest.vocabulary)
    examples = select(clips, manifest.vocabulary, alias)
    scores = score(
        examples, manifest.vocabulary, manifest.clip, manifest.segmenter, manifest.decoder, Recogniser(bundle)
    )
    if args.json:
        print(scores.model_dump_json())
        return 0
    print(f"{scores.n} clips: accuracy {scores.accuracy:.3f}, macro F1 {scores.macro_f1:.3f}, top 5 {scores.top5:.3f}")
    for title, table in (("gloss", scores.per_gloss), ("signer", scores.per_signer)):
        for name, row in table.items():
            print(f"  {title} {name}: {row.accuracy:.3f} of {row.n}")
    for confusion in scores.confusions[:10]:
        print(f"  {confusion.gloss} taken for {confusion.predicted}: {confusion.count}")
    return 0


def run_evaluate_sentences(args: argparse.Namespace) -> int:
    """`evaluate-sentences`."""
    from training.checkpoint import load_checkpoint
    from training.continuous.score import describe_scores, held_out_examples, score_sentences, sentences_of

    if min(args.count, args.beam) < 1 or args.seed < 0:
        raise ValueError("evaluate-sentences: --count and --beam must be 1 or more, --seed 0 or more")
    checkpoint = load_checkpoint(args.checkpoint)
    config, model = checkpoint.config, checkpoint.build_continuous()
    examples = held_out_examples(config, args.data, args.signers)
    sentences = sentences_of(config, examples, args.count, args.seed)
    scores = score_sentences(model, sentences, config.data.vocabulary, config.clip.fps, args.beam)
    print(scores.model_dump_json() if args.json else describe_scores(scores))
    return 0


def run_compare(args: argparse.Namespace) -> int:
    """`compare`."""
    from training.comparison.compare import compare
    from training.comparison.plan import make_plan
    from training.comparison.sentences import compare_sentences

    config = load_config(args.config)
    isolated = config.continuous is None
    variants = args.variants.split(",") if args.variants else TABLE if isolated else SENTENCE_TABLE
    plan = make_plan(
        config,
        args.out,
        folds=[fold.split(",") for fold in args.fold],
        seeds=args.seeds,
        variants=variants,
        glosses=args.glosses.split(",") if args.glosses else None,
        baseline=args.baseline,
    )
    command = ["--config", str(args.config), "--out", str(args.out)]
    for fold in args.fold:
        command += ["--fold", fold]
    command += ["--seeds", ",".join(map(str, plan.seeds)), "--glosses", ",".join(plan.glosses)]
    command += ["--variants", ",".join(plan.variants), "--baseline", plan.baseline]
    make = compare if isolated else compare_sentences
    print(make(plan, args.data, f"python -m training compare {shlex.join(command)}", args.jobs))
    return 0


def run_inspect(args: argparse.Namespace) -> int:
    """`inspect`."""
    from training.inspect import FRAMES, cost
    from training.pretrained import CACHE, k400
    from training.pretrained import load as load_weights
    from training.slowfast import build

    counted = cost(args.model, args.classes, args.size)
    report = None
    if args.pretrained is not None:
        path = k400(args.model, CACHE) if args.pretrained == "k400" else Path(args.pretrained)
        report = load_weights(build(args.model, args.classes), path)
    if args.json:
        print(json.dumps({"model": args.model, **counted._asdict(), "pretrained": report and asdict(report)}))
        return 0
    print(
        f"{args.model}: {counted.parameters / 1e6:.1f} M parameters, {counted.macs / 1e9:.1f} GMAC "
        f"({counted.batch_norm / 1e9:.1f} of them batch norm) for {FRAMES} frames of {args.size}x{args.size}"
    )
    if report is not None:
        print(report.describe(path))
    return 0


def run_wer(args: argparse.Namespace) -> int:
    """`wer`."""
    from training.transcripts import pair, read_transcript
    from training.wer import describe, error_rate

    rate = error_rate(pair(read_transcript(args.ref), read_transcript(args.hyp)))
    print(rate.model_dump_json() if args.json else describe(rate))
    return 0


def run_audit(args: argparse.Namespace) -> int:
    """`audit`."""
    from training.audit import NEAR, audit_files, audit_items, text

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
    from training.datasets.clips import read_clip, read_unseen
    from training.datasets.extract import extract_all

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


if __name__ == "__main__":
    sys.exit(main())
