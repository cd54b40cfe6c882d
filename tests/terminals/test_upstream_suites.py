"""The suites of terminado and jupyter_server_terminals, as published, against our classes."""

import hashlib
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
SUITES = {
    "terminado==0.18.1": (
        "de09f2c4b85de4765f7714688fff57d3e75bad1f909b589fde880460c753fd2e",
        ["tests/basic_test.py"],
        8,
    ),
    "jupyter_server_terminals==0.5.4": (
        "bbda128ed41d0be9020349f9f1f2a4ab9952a73ed5f5ac9f1419794761fb87f5",
        ["tests"],
        18,
    ),
}


def source(requirement: str, digest: str, folder: Path) -> Path:
    """Fetch a source distribution with pip, check it, and unpack it."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--no-binary=:all:", "--no-build-isolation", "--dest", str(folder)]
    subprocess.run([*command, requirement], check=True, capture_output=True)
    (archive,) = folder.glob("*.tar.gz")
    assert hashlib.sha256(archive.read_bytes()).hexdigest() == digest
    with tarfile.open(archive) as opened:
        # Early 3.11 has no filters and needs none here: the digest was checked.
        opened.extraction_filter = getattr(tarfile, "data_filter", None)
        opened.extractall(folder)
    (unpacked,) = (path for path in folder.iterdir() if path.is_dir())
    return unpacked


@pytest.mark.timeout(300)
@pytest.mark.parametrize("requirement", SUITES)
def test_the_published_suite_passes_with_our_classes(requirement: str, tmp_path: Path):
    digest, paths, least = SUITES[requirement]
    folder = source(requirement, digest, tmp_path)
    options = ["-q", "-p", "our_classes", "-o", "addopts=", "-o", "log_cli=false", "-W", "default"]
    environment = {
        **os.environ,
        "PYTHONPATH": f"{HERE}{os.pathsep}{HERE.parents[1]}",
        "HOME": str(tmp_path),
    }
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *paths],
        check=False,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    report = ended.stdout[-6000:]
    assert ended.returncode == 0, report
    passed = re.search(r"(\d+) passed", report)
    assert passed and int(passed[1]) >= least, report
