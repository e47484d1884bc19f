"""Each format is written here as it is handed out, and read back."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from training.config import load_config
from training.data import DataError
from training.datasets import READERS, load

ROOT = Path(__file__).parents[3]
DATA = Path(os.environ.get("GLOSSCAST_DATA", ROOT.parent / "shared" / "data"))


def write(path: Path, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (32, 32)).save(path)


def phoenix_2014t(root: Path) -> None:
    for split in ("train", "dev", "test"):
        name = f"11August_2010_Wednesday_tagesschau-{split}"
        write(
            root / f"annotations/manual/PHOENIX-2014-T.{split}.corpus.csv",
            "name|video|start|end|speaker|orth|translation\n"
            f'{name}|{name}/1/*.png|-1|-1|Signer08|JETZT WETTER MORGEN|und nun "die wettervorhersage\n',
        )
        picture(root / f"features/fullFrame-210x260px/{split}/{name}/images0001.png")


def phoenix_2014(root: Path) -> None:
    for split in ("train", "dev", "test"):
        name = f"01April_2010_Thursday_heute_default-{split}"
        write(
            root / f"annotations/manual/{split}.corpus.csv",
            f"id|folder|signer|annotation\n{name}|{name}/1/*.png|Signer04|__ON__ LIEB ZUSCHAUER\n",
        )
        picture(root / f"features/fullFrame-210x260px/{split}/{name}/1/{name}.avi_pid0_fn000000-0.png")


def csl_daily(root: Path) -> None:
    write(
        root / "sentence_label/video_map.txt",
        "index|name|length|gloss|char|word|postag\n0|S000020_P0004_T00|79|你 去 哪里|你 去|你 去|r v\n"
        "1|S000021_P0001_T00|60|不 在 任何 集|x|x|x\n",
    )
    write(root / "sentence_label/split_1.txt", "name|split\nS000020_P0004_T00|dev\nS000005_P0004_T00|train\n")
    picture(root / "sentence/frames_512x512/S000020_P0004_T00/000000.jpg")


def wlasl(root: Path) -> None:
    instance = {"bbox": [1, 2, 3, 4], "fps": 25, "frame_end": -1, "frame_start": 1, "instance_id": 0, "signer_id": 118}
    instance |= {"source": "aslbrick", "split": "train", "url": "http://x/book.mp4", "variation_id": 0}
    entries = [{"gloss": "book", "instances": [instance | {"video_id": "69241"}]}]
    write(root / "WLASL_v0.3.json", json.dumps(entries))
    write(root / "videos/69241.mp4")


def ms_asl(root: Path) -> None:
    entry = {"org_text": "nice", "clean_text": "nice", "start_time": 0.5, "signer_id": 38, "signer": 52, "label": 1}
    entry |= {"start": 15, "end": 92, "end_time": 3.075, "text": "nice", "fps": 29.917, "review": 1}
    urls = ["www.youtube.com/watch?v=3aXS3keR8oY", "https://www.youtube.com/watch?v=abc&t=3", "https://youtu.be/def"]
    for split, url in zip(("train", "val", "test"), urls, strict=True):
        write(root / f"MSASL_{split}.json", json.dumps([entry | {"url": url}]))
    for name in ("3aXS3keR8oY", "abc", "def"):
        write(root / f"videos/{name}.mp4")


def asl_citizen(root: Path) -> None:
    for split in ("train", "val", "test"):
        write(
            root / f"splits/{split}.csv",
            f"Participant ID,Video file,Gloss,ASL-LEX Code\nP{split},15890366051589533-{split}.mp4,APPLE,G_03_053\n",
        )
        write(root / f"videos/15890366051589533-{split}.mp4")


def autsl(root: Path) -> None:
    write(root / "SignList_ClassId_TR_EN.csv", "ClassId,TR,EN\n0,abla,sister\n41,cok,many\n")
    write(root / "train_labels.csv", "signer0_sample1,41\n")
    write(root / "validation_labels.csv", "signer1_sample1,0\n")
    write(root / "train/signer0_sample1_color.mp4")
    write(root / "val/signer1_sample1_color.mp4")


def lsa64(root: Path) -> None:
    write(root / "all/001_010_005.mp4")


def asl_alphabet(root: Path) -> None:
    picture(root / "A/A1.jpg")
    picture(root / "space/space1.jpg")


def digits(root: Path) -> None:
    """Two students, the second without the digits 0 to 2; numbers of the camera have gaps and run over all folders."""
    for number, digit in [*((1118 + i, i) for i in range(10)), *((1130 + i, i) for i in range(3, 10))]:
        picture(root / f"{digit}/IMG_{number}.JPG")


def kaggle_islr(root: Path) -> None:
    path = "train_landmark_files/26734/1000035562.parquet"
    write(root / "train.csv", f"path,participant_id,sequence_id,sign\n{path},26734,1000035562,blow\n")
    write(root / path)


def manifest(root: Path) -> None:
    write(
        root / "manifest.csv",
        "path,gloss,signer,split,start_s,end_s,fps\na.mp4,hello,ann,train,0.5,2,\nb,hello you,,,,,25\n",
    )
    write(root / "a.mp4")
    picture(root / "b/0001.png")


@dataclass
class Case:
    write: Callable[[Path], None]
    names: tuple[str, ...]
    first: tuple[str | None, str | None, str]  # split, signer, label
    damage: str  # a file or folder without which this is another folder


CASES = {
    "phoenix-2014t": Case(
        phoenix_2014t,
        tuple(f"{s}/11August_2010_Wednesday_tagesschau-{s}" for s in ("train", "dev", "test")),
        ("train", "Signer08", "JETZT WETTER MORGEN"),
        "annotations/manual/PHOENIX-2014-T.dev.corpus.csv",
    ),
    "phoenix-2014": Case(
        phoenix_2014,
        tuple(f"{s}/01April_2010_Thursday_heute_default-{s}" for s in ("train", "dev", "test")),
        ("train", "Signer04", "__ON__ LIEB ZUSCHAUER"),
        "annotations/manual/train.corpus.csv",
    ),
    "csl-daily": Case(
        csl_daily, ("S000020_P0004_T00",), ("dev", "P0004", "你 去 哪里"), "sentence_label/video_map.txt"
    ),
    "wlasl": Case(wlasl, ("69241",), ("train", "118", "book"), "WLASL_v0.3.json"),
    "ms-asl": Case(ms_asl, ("train/00000", "val/00000", "test/00000"), ("train", "38", "nice"), "MSASL_val.json"),
    "asl-citizen": Case(
        asl_citizen,
        tuple(f"15890366051589533-{s}.mp4" for s in ("train", "val", "test")),
        ("train", "Ptrain", "APPLE"),
        "splits/val.csv",
    ),
    "autsl": Case(
        autsl, ("train/signer0_sample1", "val/signer1_sample1"), ("train", "signer0", "cok"), "train_labels.csv"
    ),
    "lsa64": Case(lsa64, ("001_010_005",), (None, "010", "001"), "all/001_010_005.mp4"),
    "kaggle-islr": Case(kaggle_islr, ("26734/1000035562",), (None, "26734", "blow"), "train.csv"),
    "asl-alphabet": Case(asl_alphabet, ("A/A1.jpg", "space/space1.jpg"), (None, None, "A"), "A/A1.jpg"),
    "digits": Case(
        digits,
        (*(f"{i}/IMG_{1118 + i}.JPG" for i in range(10)), *(f"{i}/IMG_{1130 + i}.JPG" for i in range(3, 10))),
        (None, "student001", "0"),
        "0/IMG_1118.JPG",
    ),
    "manifest": Case(manifest, ("a.mp4@0.5", "b"), ("train", "ann", "hello"), "manifest.csv"),
}


def test_every_reader_is_tested() -> None:
    assert CASES.keys() == READERS.keys()


@pytest.mark.parametrize("kind", CASES)
def test_a_data_set_is_read_as_it_is_handed_out(kind: str, tmp_path: Path) -> None:
    case = CASES[kind]
    case.write(tmp_path)
    items, left_out = load(kind, tmp_path)
    assert tuple(item.name for item in items) == case.names
    assert (items[0].split, items[0].signer, items[0].label) == case.first
    assert left_out == []


@pytest.mark.parametrize("kind", CASES)
def test_another_folder_is_refused_by_name(kind: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not"):
        READERS[kind](tmp_path)
    CASES[kind].write(tmp_path)
    (tmp_path / CASES[kind].damage).unlink()
    with pytest.raises(DataError) as error:
        load(kind, tmp_path)
    assert str(tmp_path) in str(error.value)


@pytest.mark.parametrize("kind", sorted(CASES.keys() - {"lsa64", "asl-alphabet", "digits"}))
def test_missing_media_are_named_or_left_out(kind: str, tmp_path: Path) -> None:
    CASES[kind].write(tmp_path)
    items, _ = load(kind, tmp_path)
    media = items[0].media
    for path in list(media.iterdir()) if media.is_dir() else [media]:
        path.unlink()
    with pytest.raises(DataError, match=r"missing, with 0 others") as error:
        load(kind, tmp_path)
    assert str(media) in str(error.value)
    if len(items) > 1:
        kept, left_out = load(kind, tmp_path, skip_missing=True)
        assert (kept, left_out) == (items[1:], items[:1])


@pytest.mark.parametrize(
    ("kind", "file", "text", "said"),
    [
        ("csl-daily", "sentence_label/split_1.txt", "name|split\nS9|train\n", "1 clips are not in video_map.txt"),
        ("csl-daily", "sentence_label/split_1.txt", "name|part\n", "no column split"),
        ("wlasl", "WLASL_v0.3.json", '[{"gloss": "book", "instances": []}]', "gloss book has no instances"),
        ("wlasl", "WLASL_v0.3.json", '[{"gloss": "book"}]', "entry 0 has no instances"),
        ("wlasl", "WLASL_v0.3.json", "{", "not JSON"),
        ("wlasl", "WLASL_v0.3.json", "{}", "not a list"),
        ("ms-asl", "MSASL_val.json", '[{"url": "x"}]', "entry 0 has no start_time"),
        ("autsl", "train_labels.csv", "signer0_sample1,7\n", "is not signerX_sampleY and a class"),
        ("asl-citizen", "splits/val.csv", "Participant ID,Video file\n", "no column Gloss"),
        ("asl-citizen", "splits/val.csv", "Participant ID,Video file,Gloss\na,b\n", "line 2 has 2 fields"),
        ("lsa64", "all/1_2_3.mp4", "x", "not CLASS_SIGNER_REPETITION"),
        ("manifest", "manifest.csv", "path,gloss,signer\na.mp4,,ann\n", r"clip a\.mp4 has no gloss"),
        ("manifest", "manifest.csv", "path,gloss,signer\na.mp4,x,ann\na.mp4,x,ann\n", "used for more than one clip"),
        ("manifest", "manifest.csv", "path,gloss,signer\n", "no clips"),
        ("manifest", "manifest.csv", "path,gloss,signer\nb,x,ann\n", "needs fps"),
        ("manifest", "manifest.csv", "path,gloss,signer,start_s,end_s\na.mp4,x,ann,2,1\n", "is not after start_s"),
        ("manifest", "manifest.csv", "path,gloss,signer,start_s\na.mp4,x,ann,soon\n", "start_s 'soon' is not a number"),
    ],
)
def test_a_damaged_table_is_refused_by_name(kind: str, file: str, text: str, said: str, tmp_path: Path) -> None:
    CASES[kind].write(tmp_path)
    path = write(tmp_path / file, text)
    with pytest.raises(DataError, match=said) as error:
        load(kind, tmp_path)
    assert str(tmp_path) in str(error.value)
    assert path.exists()


def test_a_class_without_pictures_is_refused(tmp_path: Path) -> None:
    asl_alphabet(tmp_path)
    (tmp_path / "B").mkdir()
    with pytest.raises(DataError, match=r"B: a class without pictures"):
        load("asl-alphabet", tmp_path)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    manifest(tmp_path)
    (tmp_path / "manifest.csv").write_bytes(b"path,gloss,signer\n\xff,x,y\n")
    with pytest.raises(DataError, match=r"manifest\.csv: not a UTF-8 table"):
        load("manifest", tmp_path)


def test_another_student_starts_where_the_digits_begin_anew(tmp_path: Path) -> None:
    digits(tmp_path)
    for digit, number in ((9, 1150), (9, 1151), (0, 1152)):  # the same digit again, too
        picture(tmp_path / f"{digit}/img_{number}.jpg")
    items, _ = load("digits", tmp_path)
    assert [item.signer for item in items] == [
        *["student001"] * 10,
        *["student002"] * 7,
        "student003",
        "student004",
        "student005",
    ]
    (tmp_path / "4/IMG_1134.JPG").rename(tmp_path / "4/photo.JPG")
    with pytest.raises(DataError, match=r"photo\.JPG: not a photo of the digits data set: those are IMG_NNNN"):
        load("digits", tmp_path)


@pytest.mark.data
@pytest.mark.skipif(not (DATA / "digits_apache").is_dir(), reason="no photos of digits here")
def test_the_config_for_the_digits_names_signers_that_are_there() -> None:
    items, left_out = load("digits", DATA / "digits_apache")
    assert (len(items), left_out) == (1000, [])
    signers = sorted({str(item.signer) for item in items})
    config = load_config(ROOT / "training" / "configs" / "digits.toml")
    assert signers[-20:] == list(config.data.held_out)
    assert set(config.data.vocabulary) == {item.label for item in items}
