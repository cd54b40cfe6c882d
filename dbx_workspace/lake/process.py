"""The program that has the data: started on a free loopback port, ended with the workspace."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

import httpx

SERVICES = "sql_statements,sql_warehouses,unity_catalog,jobs,files"
START_SECONDS = 120.0
STOP_SECONDS = 5.0
# A statement may take long; between two bytes nothing comes.
STATEMENT_SECONDS = 120.0


class LakeError(Exception):
    """The program cannot be started, or what it was asked for failed."""


class LakeProcess:
    """A running minilake on a loopback port; ``folder`` is for its data."""

    def __init__(self, program: Sequence[str], folder: Path, port: int) -> None:
        self._program, self._folder = tuple(program), folder
        self._arguments = ("--host", "127.0.0.1", "--port", str(port))
        self._process: asyncio.subprocess.Process | None = None
        self.client = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=STATEMENT_SECONDS
        )

    async def start(self) -> None:
        """Start it and wait until it answers.  Raises LakeError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        log = (self._folder / "log").open("wb")
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._program,
                *self._arguments,
                cwd=self._folder,
                env=self._environment(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        except OSError as error:
            raise LakeError(f"{self._program[0]} cannot be started: {error.strerror}") from None
        finally:
            log.close()
        await self._until_ready(self._process)

    async def stop(self) -> None:
        """End it."""
        await self.client.aclose()
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()

    async def _until_ready(self, process: asyncio.subprocess.Process) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                while process.returncode is None:
                    with contextlib.suppress(httpx.HTTPError):
                        if (await self.client.get("/api/2.0/sql/warehouses")).is_success:
                            return
                    await asyncio.sleep(0.1)
        said = (self._folder / "log").read_text(errors="replace").strip().splitlines()[-1:]
        raise LakeError(f"minilake does not answer: {''.join(said)}")

    def _environment(self) -> dict[str, str]:
        """Return its environment: nothing is fetched, and nothing of the workspace's is there."""
        foreign = ("DATABRICKS_", "MINILAKE_")
        kept = {name: v for name, v in os.environ.items() if not name.startswith(foreign)}
        nothing = self._folder / "no-extensions"
        nothing.mkdir(exist_ok=True)
        return kept | {
            "HOME": str(self._folder),
            "MINILAKE_DATA_DIR": str(self._folder / "data"),
            "MINILAKE_SERVICES": SERVICES,
            "MINILAKE_DUCKDB_EXTENSION_DIR": str(nothing),
            "MINILAKE_DUCKDB_MEMORY_LIMIT": "512MB",
            "MINILAKE_NOTEBOOK": "0",
            "DOCKER_HOST": "unix:///nonexistent",  # it would pull an image of Spark
        }
