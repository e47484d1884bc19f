"""Comparisons of models of sentences: each reads the same sentences of left-out signers, and WER says how well."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from training.comparison.compare import check_packages
from training.comparison.hypotheses import SentenceHypotheses, hypotheses_path, load_hypotheses
from training.comparison.plan import Clips, Plan, RunKey, open_folder
from training.comparison.runs import each, load_model, locked, train_run
from training.models.checkpoint import Checkpoint
from training.runtime.files import write_text
from training.tasks.sentence_scores import Signing, score_sentences, sentences_of, unsigned

SENTENCES, SEED = 200, 0  # of each fold; drawn from isolated clips where the sets hold no recorded sentences


def compare_sentences(plan: Plan, data: Path, command: str, jobs: int = 1) -> Path:
    """Bring a report folder up to its plan; returns the path of the report. Arguments and errors as in `compare`."""
    check_packages()
    clips = Clips(plan, data)
    open_folder(plan)
    with locked(plan.out):
        unread = [key for key in plan.keys if not hypotheses_path(plan, key).exists()]
        for key in plan.keys:
            if key not in unread:
                load_hypotheses(plan, key)
            elif plan.checkpoint(key).exists():
                load_model(plan, key)
        missing = [key for key in unread if not plan.checkpoint(key).exists()]
        each([partial(train_run, key) for key in missing], clips, data, jobs)
        each([partial(read_run, key) for key in unread], clips, data, jobs)
        from training.comparison.sentence_report import write_report  # needs packages that may not be installed

        return write_report(plan, {key: load_hypotheses(plan, key) for key in plan.keys}, command)


def read_run(key: RunKey, clips: Clips) -> str:
    """Read a fold's sentences with one model and keep the hypotheses; returns a summary."""
    plan = clips.plan
    checkpoint = load_model(plan, key)
    assert isinstance(checkpoint, Checkpoint)
    sentences = sentences_of(checkpoint.config, list(clips.test(key.fold).values()), SENTENCES, SEED)
    config = checkpoint.config
    scores = score_sentences(
        checkpoint.build_continuous(),
        sentences,
        config.data.vocabulary,
        config.clip.fps,
        unread=unsigned(config),
    )
    write_text(hypotheses_path(plan, key), hypotheses_of(plan, key, sentences, scores.hypotheses).model_dump_json())
    return f"{key.name}: {len(sentences)} sentences read, WER {scores.rate.wer:.3f}"


def hypotheses_of(
    plan: Plan, key: RunKey, sentences: Sequence[Signing], read: Sequence[tuple[str, ...]]
) -> SentenceHypotheses:
    """What a run read from the sentences of its fold, beside what was signed."""
    return SentenceHypotheses(
        variant=key.variant,
        seed=key.seed,
        held_out=plan.folds[key.fold],
        signers=tuple(s.signer for s in sentences),
        references=tuple(s.glosses for s in sentences),
        hypotheses=tuple(read),
    )
