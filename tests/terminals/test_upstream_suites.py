"""The suites of terminado and jupyter_server_terminals, as published, against our classes."""

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.effort import some

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
    subprocess.run(["tar", "-xf", archive, "-C", folder], check=True)
    (unpacked,) = (path for path in folder.iterdir() if path.is_dir())
    return unpacked


@pytest.mark.timeout(300)
@pytest.mark.parametrize("requirement", some(1, SUITES))
def test_the_published_suite_passes_with_our_classes(requirement: str, tmp_path: Path):
    digest, paths, least = SUITES[requirement]
    folder = source(requirement, digest, tmp_path)
    options = ["-q", "-p", "our_classes", "-o", "addopts=", "-o", "log_cli=false", "-W", "default"]
    environment = {
        **os.environ,
        "PYTHONPATH": f"{HERE}{os.pathsep}{HERE.parents[1]}",
        "HOME": str(tmp_path),
    }
    command = [sys.executable, "-m", "pytest", *options]

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *arguments],
            check=False,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
        )

    ended = run(*paths)
    passed = passes(ended)
    assert re.search(r"^[1-9]\d* bytes typed into our terminals$", ended.stdout, re.M)
    for _ in range(2):  # terminado's own suite opens a terminal before another one's shell is gone
        if ended.returncode == 1:
            ended = run("--last-failed", *paths)
            passed += passes(ended)
    assert ended.returncode == 0, ended.stdout[-6000:] + ended.stderr
    assert passed >= least, ended.stdout


def passes(ended: subprocess.CompletedProcess[str]) -> int:
    """How many tests a run of pytest saw pass."""
    found = re.search(r"(\d+) passed", ended.stdout)
    return int(found[1]) if found else 0
