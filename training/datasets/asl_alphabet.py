"""ASL Alphabet (Kaggle, grassknoted): pictures of the letters, `space`, `del` and `nothing`, one folder a class.

The archive nests its folders: `asl_alphabet_train/asl_alphabet_train/A/A1.jpg`; the root is the folder of the 29 class
folders. Signers are not given (it is thought to be one person), so no split of it says how a recogniser does on others.
The test pictures (`asl_alphabet_test/A_test.jpg`, one a class) are not read. Source: the data set's Kaggle page as
quoted in public repositories. Any other folder of class folders with pictures is read alike.
"""

from pathlib import Path

from training.data import DataError
from training.datasets.item import Item, class_pictures


def read_asl_alphabet(root: Path) -> list[Item]:
    """Pictures, each an item of its own.

    Raises:
        DataError: `root` has no class folders, or one of them no pictures.
    """
    folders = sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    if not folders:
        raise DataError(f"{root} is not ASL Alphabet: it has no class folders")
    pictures = class_pictures(root, [folder.name for folder in folders])
    return [Item(f"{name}/{path.name}", (name,), path) for name, path in pictures]
