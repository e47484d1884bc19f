"""A whole comparison: train, read, report. Each stage skips finished work."""

from importlib.util import find_spec
from pathlib import Path

from training.comparison.plan import Clips, Plan, open_folder
from training.comparison.predictions import load_run
from training.comparison.runs import complete, locked


def compare(plan: Plan, data: Path, command: str, jobs: int = 1) -> Path:
    """Bring a report folder up to its plan; returns the path of the report.

    Args:
        plan: the runs.
        data: the data folder.
        command: how to call this, for the report.
        jobs: processes; with more than one, each has one thread.

    Raises:
        ValueError: what draws the report is not installed, the folder is in use or of another config, or a file in it
            is damaged. Nothing has been trained by then. Or a training failed.
        DataError: the data cannot be used.
        OSError: a file cannot be written.
    """
    check_packages()
    clips = Clips(plan, data)
    open_folder(plan)
    with locked(plan.out):
        complete(plan, clips, data, jobs)
        from training.comparison.analysis import Analysis
        from training.comparison.report import write_report  # needs packages that may not be installed

        analysis = Analysis(plan, {key: load_run(plan, key, clips) for key in plan.keys})
        return write_report(analysis, command, [clips.test(fold) for fold in range(len(plan.folds))])


def check_packages() -> None:
    """Find out whether a report can be written, before anything is trained for it.

    Raises:
        ValueError: a package is not installed.
    """
    absent = [name for name, module in (("matplotlib",) * 2, ("scikit-learn", "sklearn")) if find_spec(module) is None]
    if absent:
        raise ValueError(f"{', '.join(absent)} not installed: pip install --group report")
