"""Sign Language Digits: photos of hands, 0 to 9, one folder a digit, of students of a school in Ankara.

The root is the folder of the ten class folders, with photos `IMG_NNNN.JPG`. Signers are not given, but the camera's
numbers identify them: each student signed 0, 1, …, 9 in turn, so, in the order of NNNN, another student starts wherever
the digit is not larger than the one before. Where photos are missing, two students may pass for one, which takes
nothing from a split by signer; a digit that was photographed twice makes two of one student, and that may.
Source: github.com/ardamavi/Sign-Language-Digits-Dataset, Apache-2.0.
"""

import re
from pathlib import Path

from training.data import DataError
from training.datasets.item import Item, class_pictures, require

DIGITS = tuple("0123456789")
NUMBER = re.compile(r"IMG_(\d+)", re.IGNORECASE)


def read_digits(root: Path) -> list[Item]:
    """Photos in the order in which they were taken, each an item of its own.

    Raises:
        DataError: `root` has not the ten folders, one of them no pictures, or a picture has no number.
    """
    for digit in DIGITS:
        require(root, digit, kind="the digits data set")
    photos = [(_number(path), digit, path) for digit, path in class_pictures(root, DIGITS)]
    items: list[Item] = []
    student = 0
    before = ""
    for _, digit, path in sorted(photos):
        student += digit <= before or not items
        items.append(Item(f"{digit}/{path.name}", (digit,), path, signer=f"student{student:03}"))
        before = digit
    return items


def _number(path: Path) -> int:
    match = NUMBER.fullmatch(path.stem)
    if match is None:
        raise DataError(f"{path}: not a photo of the digits data set: those are IMG_NNNN.JPG")
    return int(match[1])
