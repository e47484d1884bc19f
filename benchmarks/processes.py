"""A process and all that come from it, in figures of the kernel (Linux)."""

import os
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
# of /proc/PID/stat behind the process's name; user and system time are in ticks
PARENT = 1
TIMES = slice(11, 13)


def family(pid: int) -> list[Path]:
    """The folders in /proc of this process and of all that come from it, itself first."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int(_stat(folder)[PARENT])
        except OSError:  # it has ended meanwhile
            continue
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return [Path(f"/proc/{one}") for one in found]


def memory_mib(pid: int) -> float:
    """Memory of a family, in MiB; what several share counts once (PSS)."""
    return sum(int((folder / "smaps_rollup").read_text().split("Pss:")[1].split()[0]) for folder in family(pid)) / 1024


def cpu_s(pid: int) -> float:
    """Processor time that a family has used, in s."""
    return sum(sum(map(int, _stat(folder)[TIMES])) for folder in family(pid)) / TICKS


def alive(process: Path) -> bool:
    """Whether a process, given by its folder in /proc, still runs; a zombie does not."""
    try:
        return _stat(process)[0] not in "ZX"
    except OSError:
        return False


def threads(pid: int) -> int:
    """Threads of a family."""
    return sum(len(list((folder / "task").iterdir())) for folder in family(pid))


def _stat(folder: Path) -> list[str]:
    return (folder / "stat").read_text().rpartition(")")[2].split()
