import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from glosscast.clip import Clip
from glosscast.keypoints import FACE, LEFT_HAND
from tests.training.synthetic import arrays, examples
from training.__main__ import main
from training.data import Example
from training.datasets.audit import audit_files, audit_items, text
from training.datasets.item import Item

FILE = Path("a.npz")


def shifted(example: Example, by: float) -> Example:
    keypoints = example.clip.keypoints.copy()
    keypoints[..., 0] += by
    return replace(example, clip=Clip(example.clip.t_ms, keypoints, example.clip.aspect))


def test_clean_clips_have_no_findings() -> None:
    audit = audit_files({FILE: examples()})
    assert (audit.clips, audit.glosses, audit.signers) == (36, 3, 3)
    assert (audit.signers_in_splits, audit.duplicates, audit.suspects) == ({}, [], [])
    assert (audit.few_signers, audit.without_hands) == ({}, {})


def test_a_clip_under_the_wrong_gloss_is_found_wherever_the_signer_stands() -> None:
    clips = examples()
    wrong = replace(shifted(clips[0], 0.1), gloss="low")
    audit = audit_files({FILE: [*clips, wrong]})
    assert {(s.clip, s.nearest) for s in audit.suspects} == {("a.npz#36", "a.npz#0"), ("a.npz#0", "a.npz#36")}
    assert audit.suspects[0].distance < 0.01
    moved = [shifted(e, 0.01 * i) for i, e in enumerate(clips)]
    assert audit_files({FILE: [*moved, wrong]}, near=0.0).suspects == []


def test_the_same_clip_twice_and_the_same_signer_in_two_files_are_found() -> None:
    clips = examples()
    seen = clips[:24]
    unseen = [*clips[24:], clips[3]]
    audit = audit_files({FILE: seen, Path("b.npz"): unseen})
    assert audit.duplicates == [["a.npz#3", "b.npz#12"]]
    assert audit.signers_in_splits == {"ann": ["a.npz", "b.npz"]}


def test_few_signers_and_clips_without_hands_are_found() -> None:
    clips = [replace(e, gloss="rare") if e.signer == "ann" and e.gloss == "low" else e for e in examples()]
    bare = clips[0].clip.keypoints.copy()
    bare[:, LEFT_HAND.start : FACE.start] = 0
    clips[0] = clips[1] = replace(clips[0], clip=Clip(clips[0].clip.t_ms, bare, 1.0))
    audit = audit_files({FILE: clips})
    assert audit.few_signers == {"low": 2, "rare": 1}
    assert audit.without_hands == {"high by ann": ["a.npz#0", "a.npz#1"]}
    assert audit.duplicates == []  # nothing seen is alike everywhere
    assert "rare: 1" in text(audit)


def test_a_file_with_sources_is_described_by_source() -> None:
    clips = [replace(e, source="repo/ann", language="ASL") if e.signer == "ann" else e for e in examples()]
    bare = clips[0].clip.keypoints.copy()
    bare[:, LEFT_HAND.start : FACE.start] = 0
    clips[0] = replace(clips[0], clip=Clip(clips[0].clip.t_ms, bare, 1.0), language="ISL")
    clips[20] = replace(clips[20], source="repo/bea")
    told = text(audit_files({FILE: clips}))
    assert (
        "sources: 2\n  repo/ann: 12 clips, 3 glosses, 1 signers, 1 clips without hands, ASL, ISL\n  repo/bea: 1" in told
    )
    assert "sources" not in text(audit_files({FILE: examples()}))


def test_a_data_set_on_disk_is_audited_by_its_tables_and_files(tmp_path: Path) -> None:
    for name, content in (("a", "one"), ("b", "two"), ("c", "one"), ("d", "three")):
        (tmp_path / f"{name}.mp4").write_text(content)
    splits = {"a": "train", "b": "train", "c": "test", "d": "test"}
    items = [Item(n, ("x",), tmp_path / f"{n}.mp4", split, "ann") for n, split in splits.items()]
    items.append(Item("e", ("x",), tmp_path / "a.mp4", "test", None, start_s=1.0))
    audit = audit_items(items)
    assert audit.duplicates == [["a", "c"]]
    assert audit.signers_in_splits == {"ann": ["test", "train"]}
    assert (audit.few_signers, audit.unsigned) == ({"x": 1}, 1)


def test_the_command_prints_text_or_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(tmp_path / "a.npz", **arrays())
    assert main(["audit", "--data", str(tmp_path / "a.npz"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["clips"] == 36
    assert main(["audit", "--data", str(tmp_path / "a.npz")]) == 0
    assert "36 clips, 3 glosses, 3 signers" in capsys.readouterr().out
    assert main(["audit"]) == 2
    assert "give either --data, or --dataset and --root" in capsys.readouterr().err
