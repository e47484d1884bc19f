"""The commands that train, score and compare recognisers."""

import argparse
import json
import shlex
from collections.abc import Collection, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from glosscast.bundle import load_bundle
from training.config import Config, load_config
from training.config.folds import chosen_folds
from training.data import load_npz, with_frames
from training.data.frames import frames_path


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
    # Read before torch is imported, which takes seconds and is not needed to refuse a config.
    config: Config = load_config(args.config)
    from training.models.pretrained import stream_weights
    from training.runtime.distributed import rank
    from training.tasks.train import train

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
    from training.evaluation.scores import score, select

    bundle = load_bundle(args.bundle).require_isolated()
    manifest = bundle.manifest
    clips = load_npz(args.data, args.fps, args.aspect)
    if bundle.crop is not None:
        clips = with_frames(clips, frames_path(args.data), bundle.crop.size)
    alias = read_aliases(args.alias, {clip.gloss for clip in clips}, manifest.vocabulary)
    examples = select(clips, manifest.vocabulary, alias)
    # The published figures were measured with segments of the rule.
    scores = score(examples, manifest.vocabulary, replace(bundle.sign_pipeline(Recogniser(bundle)), tagging=None))
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
    from training.models.checkpoint import load_checkpoint
    from training.tasks.sentence_scores import (
        describe_scores,
        held_out_examples,
        score_sentences,
        sentences_of,
        unsigned,
    )

    if min(args.count, args.beam) < 1 or args.seed < 0:
        raise ValueError("evaluate-sentences: --count and --beam must be 1 or more, --seed 0 or more")
    checkpoint = load_checkpoint(args.checkpoint)
    config = checkpoint.config
    model = checkpoint.build_continuous()
    examples = held_out_examples(config, args.data, args.signers)
    sentences = sentences_of(config, examples, args.count, args.seed)
    scores = score_sentences(
        model, sentences, config.data.vocabulary, config.clip.fps, args.beam, unread=unsigned(config)
    )
    print(scores.model_dump_json() if args.json else describe_scores(scores))
    return 0


def run_compare(args: argparse.Namespace) -> int:
    """`compare`."""
    from training.comparison.kinds import COMPARISONS
    from training.comparison.plan import make_plan

    if args.jobs < 1:
        raise ValueError(f"--jobs must be 1 or more, got {args.jobs}")
    config = load_config(args.config, args.set)
    folds = chosen_folds(args.fold, args.folds, args.use)[: args.first]
    comparison = COMPARISONS[config.kind]
    variants = args.variants.split(",") if args.variants else comparison.variants
    plan = make_plan(
        config,
        args.out,
        folds=[fold.signers for fold in folds],
        unlearned=[fold.glosses for fold in folds],
        seeds=args.seeds,
        variants=variants,
        glosses=args.glosses.split(",") if args.glosses else None,
        baseline=args.baseline,
    )
    plan = replace(plan, perturbed=not args.no_robustness)
    if args.calibration is not None:
        from training.evaluation.calibration import load_calibration

        found = load_calibration(args.calibration)
        plan = replace(plan, temperature=found.temperature, background=found.background)
    command = ["--config", str(args.config), "--out", str(args.out)]
    for setting in args.set:
        command += ["--set", setting]
    for fold in args.fold:
        command += ["--fold", fold]
    for option, value in (
        *(("--folds", args.folds), ("--use", args.use), ("--first", args.first)),
        ("--calibration", args.calibration),
    ):
        command += [] if value is None else [option, str(value)]
    command += ["--no-robustness"] if args.no_robustness else []
    command += ["--seeds", ",".join(map(str, plan.seeds)), "--glosses", ",".join(plan.glosses)]
    command += ["--variants", ",".join(plan.variants), "--baseline", plan.baseline]
    print(comparison.run(plan, args.data, f"python -m training compare {shlex.join(command)}", args.jobs))
    return 0


def run_inspect(args: argparse.Namespace) -> int:
    """`inspect`."""
    from training.models.cost import FRAMES, cost
    from training.models.pretrained import CACHE, k400
    from training.models.pretrained import load as load_weights
    from training.models.slowfast import build

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
    from training.evaluation.transcripts import pair, read_transcript
    from training.evaluation.wer import describe, error_rate

    rate = error_rate(pair(read_transcript(args.ref), read_transcript(args.hyp)))
    print(rate.model_dump_json() if args.json else describe(rate))
    return 0
