"""The logs of a training run: a progress bar, a CSV table and TensorBoard curves, with a row for each epoch."""

import csv
from collections.abc import Mapping
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

Row = Mapping[str, float]  # column -> number, the same columns every epoch


class ProgressBar:
    """A progress bar over epochs."""

    def __init__(self, epochs: int, done: int) -> None:
        self._bar = tqdm(total=epochs, initial=done, unit="epoch")

    def epoch(self, number: int, row: Row) -> None:
        """Show the figures of an epoch counted from 1."""
        shown = ("seconds", "waiting", "lr")
        self._bar.set_postfix({name: f"{value:.3f}" for name, value in row.items() if name not in shown})
        self._bar.update()

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()


class LogFiles:
    """`log.csv` and TensorBoard's event files in a folder.

    Rows after epoch `done` are dropped first: they are of an earlier run, or of an epoch that was not checkpointed.
    """

    def __init__(self, folder: Path, done: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "log.csv"
        kept = self._rows()[: done + 1] if done else []
        with self._path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(kept)
        if not done:
            for old in folder.glob("events.out.tfevents.*"):
                old.unlink()
        self._curves = SummaryWriter(str(folder), purge_step=done + 1 if done else None)

    def _rows(self) -> list[list[str]]:
        if not self._path.exists():
            return []
        with self._path.open(newline="", encoding="utf-8") as file:
            return list(csv.reader(file))

    def epoch(self, number: int, row: Row) -> None:
        """Write the figures of an epoch counted from 1."""
        with self._path.open("a", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            if file.tell() == 0:
                table.writerow(["epoch", *row])
            table.writerow([number, *(f"{value:.6g}" for value in row.values())])
        for name, value in row.items():
            self._curves.add_scalar(name, value, number)
        self._curves.flush()

    def close(self) -> None:
        """Close the event file."""
        self._curves.close()
