import os
import subprocess
import sys
from pathlib import Path

LOAD = "from glosscast.bundle import EMBEDDED, load_bundle; from glosscast.recogniser import Recogniser; {}"


def test_onnx_runtime_makes_up_no_id_of_this_machine(tmp_path: Path) -> None:
    # Where it reports its use, it first stores the id that it reports under.
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), "XDG_DATA_HOME": str(tmp_path / "data")}
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"} | home
    code = LOAD.format("Recogniser(load_bundle(EMBEDDED))")
    subprocess.run([sys.executable, "-B", "-c", code], env=environment, check=True)
    assert [path for path in tmp_path.rglob("*") if "onnxruntime" in path.name.lower()] == []
