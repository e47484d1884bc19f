"""Fetches MediaPipe Holistic for the browser, once at set-up: the page runs it, but this repository does not hold it.

    python -m service.site.vendor

It comes from the npm package `@mediapipe/holistic` (Google, Apache License 2.0), through `npm pack`, is checked by its
hash and unpacked into `service/web/vendor`, from where the service hands it out. The models are those that the server
runs, and nothing in it sends anything anywhere. Without it the page has no privacy mode, says so, and sends pictures.
"""

import base64
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

WEB = Path(__file__).parents[1] / "web"
VENDOR = WEB / "vendor"
NPM_TIMEOUT_S = 300


class VendorError(ValueError):
    """A package cannot be fetched or is not the pinned one; one line that names it."""


@dataclass(frozen=True)
class Package:
    """One npm package.

    Attributes:
        name: as npm knows it.
        version: the one that was tested.
        sha512: of the tarball, base64, as in `npm view PACKAGE dist.integrity`.
        files: the files of it that are kept.
    """

    name: str
    version: str
    sha512: str
    files: tuple[str, ...]

    @property
    def folder(self) -> str:
        """Name of its folder; with the version in it, so that browsers may keep the files for good."""
        return f"{self.name.rpartition('/')[2]}-{self.version}"


HOLISTIC = Package(
    "@mediapipe/holistic",
    "0.5.1675471629",
    "qY+cxtDeSOvVtevrLgnodiwXYaAtPi7dHZtNv/bUCGEjFicAOYtMmrZSqMmbPkTB2+4jLnPF1vgshkAqQRSYAw==",
    (
        "README.md",
        "package.json",  # states the licence
        "holistic.js",
        "holistic.binarypb",
        "holistic_solution_packed_assets.data",
        "holistic_solution_packed_assets_loader.js",
        "holistic_solution_simd_wasm_bin.data",
        "holistic_solution_simd_wasm_bin.js",
        "holistic_solution_simd_wasm_bin.wasm",
        "holistic_solution_wasm_bin.js",
        "holistic_solution_wasm_bin.wasm",
        "pose_landmark_full.tflite",  # of three sizes the one that the server runs
    ),
)


def holistic_path() -> str | None:
    """The path of Holistic, relative to the page; None where it was not fetched."""
    return f"{VENDOR.name}/{HOLISTIC.folder}/" if (VENDOR / HOLISTIC.folder).is_dir() else None


def prepare(package: Package, where: Path) -> bool:
    """See to it that a package lies in a folder; whether it had to be fetched.

    Raises:
        VendorError: it cannot be fetched, or is not the pinned one.
    """
    target = where / package.folder
    if target.is_dir():
        return False
    where.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=where) as temporary:
        fresh = Path(temporary) / package.folder
        unpack(package, download(package, Path(temporary)), fresh)
        shutil.rmtree(target, ignore_errors=True)
        fresh.replace(target)  # whole or not at all, since a service may be running
    return True


def download(package: Package, into: Path) -> Path:
    """The package's tarball, from the registry that npm is set up for.

    Raises:
        VendorError: there is no npm, or it cannot get the package.
    """
    npm = shutil.which("npm")
    what = f"{package.name}@{package.version}"
    if npm is None:
        raise VendorError(f"{what}: npm is not installed")
    command = [npm, "pack", what, "--ignore-scripts", "--fetch-retries=1", "--loglevel=error"]
    try:
        done = subprocess.run(
            command, cwd=into, capture_output=True, text=True, check=False, timeout=NPM_TIMEOUT_S
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise VendorError(f"{what}: npm took more than {NPM_TIMEOUT_S} s") from None
    tarballs = list(into.glob("*.tgz"))
    if done.returncode or len(tarballs) != 1:
        reason = next((line for line in done.stderr.splitlines() if "error" in line.lower()), "no reason given")
        raise VendorError(f"{what}: npm cannot get it: {reason}")
    return tarballs[0]


def unpack(package: Package, tarball: Path, into: Path) -> None:
    """Check a tarball and write the files that are kept of it.

    Raises:
        VendorError: it is another one than was pinned, or lacks a file.
    """
    digest = hashlib.sha512(tarball.read_bytes()).digest()
    if base64.b64encode(digest).decode() != package.sha512:
        raise VendorError(f"{tarball.name}: not the {package.name} that was pinned")
    with tarfile.open(tarball) as archive:
        for name in package.files:
            try:
                file = archive.extractfile(f"package/{name}")
            except KeyError:
                file = None
            if file is None:
                raise VendorError(f"{tarball.name}: {name} is missing")
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            (into / name).write_bytes(file.read())


def main() -> int:
    """Fetch missing files; exit code 2 and one line where that cannot be done."""
    try:
        fetched = prepare(HOLISTIC, VENDOR)
    except (VendorError, OSError, tarfile.TarError) as error:
        print(f"{error}\nThe page will have no privacy mode; `make privacy` tries again.", file=sys.stderr)
        return 2
    print(f"{VENDOR / HOLISTIC.folder}: {'fetched' if fetched else 'there already'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
