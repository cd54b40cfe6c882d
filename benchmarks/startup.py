"""Start-up to the first page and memory, against stock JupyterLab, in turn.

Both are started cold as processes, ask for ``/lab`` until it is answered, and are read when idle.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from dbx_workspace.server import port_of, reserve_port

ROUNDS = 7
OWNER = "owner@example.com"
SETTLE_SECONDS = 2.0


def main() -> None:
    """Print medians and ratios."""
    runs: dict[str, list[tuple[float, float]]] = {"stock": [], "ours": []}
    for _ in range(ROUNDS):
        for name, command in (("stock", stock), ("ours", ours)):
            runs[name].append(measure(command))
    print(f"{'':26}{'stock':>10}{'ours':>10}{'ratio':>8}{'more':>10}")
    for index, (what, unit) in enumerate((("first page", "s"), ("memory when idle", "MB"))):
        medians = {
            name: statistics.median(run[index] for run in values) for name, values in runs.items()
        }
        a, b = medians["stock"], medians["ours"]
        print(f"{what + ', ' + unit:26}{a:10.2f}{b:10.2f}{b / a:8.2f}{b - a:+10.2f}")
    pairs = [b[0] / a[0] for a, b in zip(runs["stock"], runs["ours"], strict=True)]
    print(f"first page, ratio pair by pair: {', '.join(f'{pair:.2f}' for pair in sorted(pairs))}")


def measure(command: Callable[[int], list[str]]) -> tuple[float, float]:
    """Start a server in a fresh home; return seconds to the first page and its memory in MB."""
    with tempfile.TemporaryDirectory() as home, reserve_port() as reserved:
        port = port_of(reserved)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("DATABRICKS_")}
        environment |= {
            "HOME": home,
            "DATABRICKS_APP_NAME": "app",
            "DATABRICKS_APP_PORT": str(port),
            "DATABRICKS_HOST": "http://127.0.0.1:9",
            "APP_OWNER_EMAIL": OWNER,
        }
        began = time.perf_counter()
        process = subprocess.Popen(
            command(port), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            until_page(f"http://127.0.0.1:{port}/lab")
            seconds = time.perf_counter() - began
            time.sleep(SETTLE_SECONDS)  # both have background work after the first page
            return seconds, resident_megabytes(process.pid)
        finally:
            process.terminate()
            process.wait(20)


def stock(port: int) -> list[str]:
    """JupyterLab without this package, as open as the trial needs it."""
    options = [f"--port={port}", "--no-browser", "--IdentityProvider.token="]
    disabled = "--ServerApp.jpserver_extensions={'jupyter_dbx_agents': False, 'jupyterlab': True}"
    return [sys.executable, "-m", "jupyterlab", *options, disabled, *allow_root()]


def ours(_port: int) -> list[str]:
    """The production server; the platform's variable names the port."""
    options = ["--ServerApp.ip=127.0.0.1", "--DbxAgentsApp.install_agents=False"]
    return [sys.executable, "-m", "jupyter_dbx_agents", "serve", *options, *allow_root()]


def allow_root() -> list[str]:
    """Jupyter refuses to run as root unless told."""
    return [] if os.geteuid() else ["--allow-root"]


def until_page(url: str) -> None:
    """Ask until the page comes."""
    deadline = time.monotonic() + 60
    headers = {"X-Forwarded-Email": OWNER}
    with httpx.Client(trust_env=False, headers=headers) as client:
        while time.monotonic() < deadline:
            try:
                if client.get(url).is_success:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.01)
    raise TimeoutError(f"no page at {url}")


def resident_megabytes(pid: int) -> float:
    """Return a process's resident memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
