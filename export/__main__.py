"""`python -m export onnx | examples | verify | quantize | tensorrt`."""

import argparse
import sys
from pathlib import Path

from glosscast.bundle import EMBEDDED
from glosscast.providers import ProviderError
from training.config.folder import data_folder


def main(argv: list[str] | None = None) -> int:
    """Run a command: 0 done, 1 a check failed, 2 the input is at fault (one line on stderr)."""
    args = parser().parse_args(argv)
    try:
        return int(args.run(args))
    except (ValueError, OSError, ProviderError) as error:
        print(error, file=sys.stderr)
    return 2


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m export", description="Turn checkpoints into bundles.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    onnx = commands.add_parser("onnx", help="write a bundle")
    onnx.add_argument("--checkpoint", type=Path, required=True, metavar="FILE")
    onnx.add_argument("--out", type=Path, required=True, metavar="BUNDLE_DIR")
    onnx.add_argument(
        "--folds", type=Path, metavar="FILE.json", help="runs.json of `python -m training compare`, for the report"
    )
    onnx.add_argument(
        "--window-ms",
        type=float,
        metavar="MS",
        help="for a model of sentences: read so much at a time (default: config)",
    )
    onnx.add_argument("--segmenter", type=Path, metavar="FILE.npz", help="from `python -m training segmenter`")
    onnx.add_argument("--calibration", type=Path, metavar="FILE.json", help="from `python -m training calibrate`")
    onnx.add_argument(
        "--rejection", type=Path, metavar="FILE.json", help="from `python -m training evaluate-rejection --json`"
    )
    onnx.add_argument("--lexicon", type=Path, metavar="FILE.json", help="from `python -m training calibrate-lexicon`")
    onnx.add_argument(
        "--language-model",
        type=Path,
        metavar="FILE.npz",
        help="from `python -m training language-model`, for a model of sentences",
    )
    onnx.set_defaults(run=run_onnx)
    examples = commands.add_parser("examples", help="put an example of each sign into a bundle, to be shown")
    examples.add_argument("--bundle", type=Path, required=True, metavar="BUNDLE_DIR")
    examples.add_argument("--out", type=Path, required=True, metavar="BUNDLE_DIR", help="may be the same")
    examples.add_argument(
        "--config", type=Path, required=True, metavar="FILE.toml", help="config of the bundle's model"
    )
    examples.add_argument(
        "--licence", action="append", required=True, metavar="NAME", help="that lets a clip be shown: how it begins"
    )
    examples.add_argument("--choices", type=Path, metavar="FILE.toml", help="clips that a person chose")
    examples.add_argument("--sheet", type=Path, metavar="FILE.png", help="a picture of what was taken, to be checked")
    examples.add_argument(
        "--data", type=Path, default=data_folder(), metavar="DIR", help="data folder (or $GLOSSCAST_DATA)"
    )
    examples.set_defaults(run=run_examples)
    verify = commands.add_parser("verify", help="compare torch with ONNX Runtime")
    verify.add_argument("--bundle", type=Path, default=EMBEDDED, metavar="BUNDLE_DIR")
    verify.add_argument("--checkpoint", type=Path, metavar="FILE", help="default: the one inside the bundle folder")
    verify.add_argument("--provider", metavar="P", help="cpu, openvino, cuda or tensorrt (default: all that are there)")
    verify.add_argument("--clips", type=Path, metavar="FILE.npz", help="real clips to compare on, too")
    verify.set_defaults(run=run_verify)
    quantize = commands.add_parser("quantize", help="write a bundle of lower precision, if it reads as well")
    quantize.add_argument("--bundle", type=Path, required=True, metavar="BUNDLE_DIR")
    quantize.add_argument("--out", type=Path, required=True, metavar="BUNDLE_DIR")
    quantize.add_argument("--precision", choices=["int8", "bf16"], required=True)
    quantize.add_argument("--calibrate", type=Path, metavar="FILE.npz", help="training clips; for int8")
    quantize.add_argument(
        "--evaluate", type=Path, required=True, metavar="FILE.npz", help="clips of signers never trained on"
    )
    quantize.add_argument("--provider", metavar="P", help="measure on (default: cpu for int8, openvino for bf16)")
    quantize.set_defaults(run=run_quantize)
    tensorrt = commands.add_parser("tensorrt", help="build a TensorRT engine for this machine's GPU")
    tensorrt.add_argument("--bundle", type=Path, default=EMBEDDED, metavar="BUNDLE_DIR")
    tensorrt.add_argument("--precision", choices=["fp16", "fp32", "int8"], required=True)
    tensorrt.add_argument("--through", choices=["tensorrt", "onnxruntime"], default="tensorrt", help="who builds it")
    tensorrt.set_defaults(run=run_tensorrt)
    return top


def run_onnx(args: argparse.Namespace) -> int:
    """`onnx`."""
    from export.to_onnx import Fitted, export_bundle, with_window
    from training.evaluation.calibration import load_calibration
    from training.evaluation.fold_report import load_report
    from training.evaluation.lexicon_calibration import load_lexicon_calibration
    from training.evaluation.rejection import load_rejection
    from training.models.checkpoint import load_checkpoint

    folds = None if args.folds is None else load_report(args.folds)
    checkpoint = load_checkpoint(args.checkpoint)
    if args.window_ms is not None:
        checkpoint = with_window(checkpoint, args.window_ms)
    fitted = Fitted(
        args.segmenter,
        None if args.calibration is None else load_calibration(args.calibration),
        None if args.lexicon is None else load_lexicon_calibration(args.lexicon),
        args.language_model,
    )
    rejection = None if args.rejection is None else load_rejection(args.rejection)
    export_bundle(checkpoint, args.out, folds, fitted, rejection)
    size = sum(file.stat().st_size for file in args.out.iterdir())
    print(f"{args.out}: {size / 1e6:.1f} MB")
    return 0


def run_examples(args: argparse.Namespace) -> int:
    """`examples`."""
    from export.examples import add_examples, load_choices
    from training.config import load_config

    choices = {} if args.choices is None else load_choices(args.choices)
    config = load_config(args.config)
    shown, without = add_examples(args.bundle, args.out, config, args.data, args.licence, choices, args.sheet)
    for gloss, found in shown.items():
        how = "chosen" if found.likeness is None else f"likeness {found.likeness:.3f}"
        print(f"{gloss}: clip {found.clip.index} of {found.clip.file}, confidence {found.confidence:.0%}, {how}")
    for gloss in without:
        print(f"{gloss}: no example", file=sys.stderr)
    return 0


def run_verify(args: argparse.Namespace) -> int:
    """`verify`."""
    from export.to_onnx import CHECKPOINT
    from export.verify import table, verify

    comparisons, left_out = verify(args.bundle, args.checkpoint or args.bundle / CHECKPOINT, args.provider, args.clips)
    print(table(comparisons))
    for line in left_out:
        print(f"not compared: {line}")
    passed = all(c.passed for c in comparisons)
    print("passed" if passed else "FAILED")
    return 0 if passed else 1


def run_quantize(args: argparse.Namespace) -> int:
    """`quantize`."""
    from export.quantize import GateError, describe, quantize

    provider = args.provider or {"int8": "cpu", "bf16": "openvino"}[args.precision]
    try:
        report = quantize(args.bundle, args.out, args.precision, args.calibrate, args.evaluate, provider)
    except GateError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{args.out}: {args.precision}, {describe(report)}")
    return 0


def run_tensorrt(args: argparse.Namespace) -> int:
    """`tensorrt`."""
    from export.to_tensorrt import TensorRtError, build

    try:
        print(build(args.bundle, args.precision, args.through))
    except TensorRtError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
