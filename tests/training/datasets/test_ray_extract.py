import multiprocessing
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.glosscast import media
from tests.training.datasets.reading import items, read
from training.datasets.extract import DiskFullError, extract_all, part_path
from training.datasets.item import Item
from training.datasets.ray_extract import RayError, on_ray

WORKERS = 2


# A cluster of two machines with a core each, both of them processes of this one, until its standard input ends.
CLUSTER = """
import os, sys
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
import ray.cluster_utils
cluster = ray.cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
cluster.add_node(num_cpus=1)
print("cluster at", cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("ray.data", reason="Ray is not installed")
    log = tmp_path_factory.mktemp("ray") / "log"
    command = [sys.executable, "-c", CLUSTER]
    with (
        log.open("wb") as stderr,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, text=True) as cluster,
    ):
        assert cluster.stdout is not None
        found = next((line.split()[-1] for line in cluster.stdout if line.startswith("cluster at")), None)
        try:
            if found is None:
                pytest.skip(f"Ray cannot start a cluster on this machine: {log.read_text()[-500:]}")
            yield found
        finally:
            cluster.communicate()


def apart(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What `function` gives in a process of its own.

    Ray's native part ends its process without a word when its cluster has no answer in time, which a machine that is
    out of breath may be the cause of. It would end all the tests. So it has a second try.
    """
    for last in (False, True):
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            try:
                return pool.submit(function, *args, **kwargs).result()
            except BrokenProcessPool:
                if last:
                    raise
    raise AssertionError


def extract_on_ray(clips: list[Item], out: Path, workers: int, address: str, **work: Any) -> dict[str, str]:
    """The clips that failed, and why."""
    return extract_all(clips, out, workers, 15.0, **work, driver=on_ray(address, out))[1]


def arrays(out: Path) -> dict[tuple[str, str], tuple[str, tuple[int, ...], bytes]]:
    """Every array in a folder's .npz files, parts included."""
    found = {}
    for path in out.rglob("*.npz"):
        with np.load(path) as file:
            for name, array in file.items():
                found[str(path.relative_to(out)), name] = (array.dtype.str, array.shape, array.tobytes())
    return found


@pytest.mark.slow
def test_a_cluster_writes_what_one_machine_writes_whatever_dies(tmp_path: Path, address: str) -> None:
    one, ray = tmp_path / "one", tmp_path / "ray"
    clips = items(tmp_path, "30", "7", "bad", "31", "6")
    _, failed = extract_all(clips, one, WORKERS, 15.0, read)
    clips = items(tmp_path, "30", "7", "bad", "31", "6 after a death", "deadly")
    failed_on_ray = apart(extract_on_ray, clips, ray, WORKERS, address, read=read)
    assert failed_on_ray == failed | {"c/5": "its process died 2 times"}
    assert arrays(ray) == arrays(one)
    assert sorted(path.name for path in ray.iterdir()) == ["all.npz", "parts", "train.npz"]

    # The next run tries what failed again, and nothing else.
    before = part_path(ray, clips[0]).stat().st_mtime_ns
    clips[0].media.write_text("bad")
    clips[5].media.write_text("full")
    with pytest.raises(DiskFullError, match=r"4 of 6 clips are done"):
        apart(extract_on_ray, clips, ray, WORKERS, address, read=read)
    assert part_path(ray, clips[0]).stat().st_mtime_ns == before


@pytest.mark.slow
@pytest.mark.data
def test_a_recording_gets_the_same_keypoints(tmp_path: Path, address: str) -> None:
    recording = media.recording("clips/apple__startasl_F1__apple.mp4")
    clips = [Item("apple", ("apple",), recording, start_s=1.0, end_s=1.3)]
    one, ray = tmp_path / "one", tmp_path / "ray"
    extract_all(clips, one, 1, 15.0)
    apart(extract_on_ray, clips, ray, 1, address)
    assert arrays(ray) == arrays(one)
    assert np.load(ray / "all.npz")["pose"].any()


@pytest.mark.slow
def test_more_workers_than_cores_are_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(RayError, match=r"--workers 3: the Ray cluster at .* has 2 cores"):
        apart(extract_on_ray, items(tmp_path, "5"), tmp_path, 3, address, read=read)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nonsense", "ray://127.0.0.1:10001", "127.0.0.1:99999"])
def test_a_cluster_that_is_not_there_is_said_in_one_line(tmp_path: Path, address: str) -> None:
    pytest.importorskip("ray.data", reason="Ray is not installed")
    with pytest.raises(RayError, match=rf"{address}") as error:
        apart(extract_on_ray, items(tmp_path, "5"), tmp_path, 1, address, read=read)
    assert "\n" not in str(error.value)


def test_without_ray_the_command_names_the_extra(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['ray'] = None; from training.__main__ import main; "
        f"sys.exit(main(['extract', '--dataset', 'manifest', '--root', '.', '--out', {str(tmp_path)!r}, '--ray']))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "pip install 'glosscast[ray]'" in done.stderr
    assert done.stderr.count("\n") == 1


def test_usage_statistics_are_off() -> None:
    program = (
        "from pathlib import Path; from training.datasets.ray_extract import on_ray; on_ray('local', Path('out')); "
        "from ray._common.usage.usage_lib import usage_stats_enabled; print(usage_stats_enabled())"
    )
    pytest.importorskip("ray.data", reason="Ray is not installed")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["False"]
