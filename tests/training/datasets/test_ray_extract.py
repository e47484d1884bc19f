import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from tests.glosscast import media
from tests.training.datasets.reading import items, read
from training.datasets.extract import DiskFullError, extract_all, part_path
from training.datasets.item import Item
from training.datasets.ray_extract import RayError, on_ray

WORKERS = 2


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A cluster of two machines with a core each, both of them processes of this one."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    pytest.importorskip("ray.data", reason="Ray is not installed")
    head = {"num_cpus": 1, "include_dashboard": False}
    cluster = import_module("ray.cluster_utils").Cluster(initialize_head=True, head_node_args=head)
    cluster.add_node(num_cpus=1)
    yield cluster.address
    cluster.shutdown()


def arrays(out: Path) -> dict[tuple[str, str], tuple[str, tuple[int, ...], bytes]]:
    """Every array in a folder's .npz files, parts included."""
    found = {}
    for path in out.rglob("*.npz"):
        with np.load(path) as file:
            for name, array in file.items():
                found[str(path.relative_to(out)), name] = (array.dtype.str, array.shape, array.tobytes())
    return found


@pytest.mark.slow
def test_a_cluster_writes_the_same_files_as_one_machine_even_if_workers_die(tmp_path: Path, address: str) -> None:
    one, ray = tmp_path / "one", tmp_path / "ray"
    clips = items(tmp_path, "30", "7", "bad", "31", "6")
    _, failed = extract_all(clips, one, WORKERS, 15.0, read)
    clips = items(tmp_path, "30", "7", "bad", "31", "6 after a death", "deadly")
    _, failed_on_ray = extract_all(clips, ray, WORKERS, 15.0, read, driver=on_ray(address, ray))
    assert failed_on_ray == failed | {"c/5": "its process died 2 times"}
    assert arrays(ray) == arrays(one)
    assert sorted(path.name for path in ray.iterdir()) == ["all.npz", "parts", "train.npz"]

    # The next run tries what failed again, and nothing else.
    before = part_path(ray, clips[0]).stat().st_mtime_ns
    clips[0].media.write_text("bad")
    clips[5].media.write_text("full")
    with pytest.raises(DiskFullError, match=r"4 of 6 clips are done"):
        extract_all(clips, ray, WORKERS, 15.0, read, driver=on_ray(address, ray))
    assert part_path(ray, clips[0]).stat().st_mtime_ns == before


@pytest.mark.slow
@pytest.mark.data
def test_a_recording_gets_the_same_keypoints(tmp_path: Path, address: str) -> None:
    recording = media.recording("clips/apple__startasl_F1__apple.mp4")
    clips = [Item("apple", ("apple",), recording, start_s=1.0, end_s=1.3)]
    one, ray = tmp_path / "one", tmp_path / "ray"
    extract_all(clips, one, 1, 15.0)
    extract_all(clips, ray, 1, 15.0, driver=on_ray(address, ray))
    assert arrays(ray) == arrays(one)
    assert np.load(ray / "all.npz")["pose"].any()


@pytest.mark.slow
def test_more_workers_than_cores_are_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(RayError, match=r"--workers 3: the Ray cluster at .* has 2 cores"):
        extract_all(items(tmp_path, "5"), tmp_path, 3, 15.0, read, driver=on_ray(address, tmp_path))


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nonsense", "ray://127.0.0.1:10001", "127.0.0.1:99999"])
def test_a_missing_cluster_is_reported_in_one_line(tmp_path: Path, address: str) -> None:
    pytest.importorskip("ray.data", reason="Ray is not installed")
    with pytest.raises(RayError, match=rf"{address}") as error:
        extract_all(items(tmp_path, "5"), tmp_path, 1, 15.0, read, driver=on_ray(address, tmp_path))
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_without_ray_the_command_names_the_group(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['ray'] = None; from training.__main__ import main; "
        f"sys.exit(main(['extract', '--dataset', 'manifest', '--root', '.', '--out', {str(tmp_path)!r}, '--ray']))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "pip install --group ray" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_usage_statistics_are_off() -> None:
    program = (
        "from pathlib import Path; from training.datasets.ray_extract import on_ray; on_ray('local', Path('out')); "
        "from ray._common.usage.usage_lib import usage_stats_enabled; print(usage_stats_enabled())"
    )
    pytest.importorskip("ray.data", reason="Ray is not installed")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["False"]
