"""The command that makes a language model of gloss text."""

import argparse

from training.config import load_config
from training.data.gloss_text import fit, perplexity, read_gloss_text
from training.runtime.files import write_arrays


def run_language_model(args: argparse.Namespace) -> int:
    """`language-model`."""
    sentences = read_gloss_text(args.text)
    said = {gloss for sentence in sentences for gloss in sentence}
    glosses = sorted(said) if args.config is None else load_config(args.config).data.vocabulary
    model = fit(sentences, glosses, args.order)
    tests = [(path, perplexity(model, read_gloss_text([path]))) for path in args.test]
    write_arrays(args.out, model.arrays())
    unknown = len(said - set(glosses))
    print(
        f"{args.out}: order {args.order}, {len(sentences)} sentences, {len(glosses)} glosses, {unknown} others in one"
    )
    for path, found in tests:
        print(f"{path}: perplexity {found.value:.1f}, {found.unknown} of {found.glosses} glosses unknown")
    return 0
