"""From the first paste to each agent's first answer, in a fresh home; and installing again.

The server starts, the token is pasted the moment it answers, and each agent is asked the moment it
is installed.  npm's and pip's caches are as they are: a first run also downloads.
"""

import asyncio
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from jupyter_dbx_agents.agents import AGENTS, Agent, AgentInstaller
from jupyter_dbx_agents.environment import child_environment, current_environment

QUESTION = "hello there"
# OpenCode puts a question of several words in quotation marks.
ANSWER = re.compile(rb'echo: "?hello there')
ONCE = {
    "claude-code": ("claude", "-p", QUESTION),
    "codex": ("codex", "exec", "--skip-git-repo-check", QUESTION),
    "gemini-cli": ("gemini", "-p", QUESTION),
    "opencode": ("opencode", "run", QUESTION),
    "hermes": ("hermes", "chat", "-Q", "-q", QUESTION),
}
MOST_SECONDS = 900.0


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(dir=Path.home()) as folder:
        home = Path(folder)
        command = [sys.executable, "-m", "jupyter_dbx_agents", "demo", "--no-browser"]
        process = subprocess.Popen(
            [*command, "--port", "0", "--home", folder],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            lines = read_lines(process)
            rows = asyncio.run(measure(lines["open"], lines["paste"], home))
        finally:
            process.send_signal(2)
            process.wait(30)
        print(f"{'seconds':14}{'installed':>12}{'answer after':>14}{'from paste':>12}{'again':>9}")
        for name, row in rows.items():
            installed, answered, again = row
            asked = answered - installed
            print(f"{name:14}{installed:12.1f}{asked:14.1f}{answered:12.1f}{again:9.3f}")


def read_lines(process: subprocess.Popen[str]) -> dict[str, str]:
    """Return what the demo says, up to its last line."""
    lines: dict[str, str] = {}
    for line in process.stdout or ():
        if line == "ready\n":
            break
        name, _, value = line.strip().partition(": ")
        lines[name] = value
    return lines


async def measure(url: str, token: str, home: Path) -> dict[str, tuple[float, float, float]]:
    """Return, per agent, seconds from the paste to its installation and its answer, and again."""
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as client:
        xsrf = re.search(r"_xsrf=([^;]+)", str((await client.get("/lab")).headers["set-cookie"]))
        value = xsrf[1] if xsrf else ""
        client.headers.update({"X-XSRFToken": value, "Cookie": f"_xsrf={value}"})
        began = time.perf_counter()
        (await client.post("/dbx-agents/api/pat", json={"token": token})).raise_for_status()
        agents = [agent for agent in AGENTS if agent.name in ONCE]
        results = await asyncio.gather(*(one(client, agent, home, began) for agent in agents))
    return {agent.name: row for agent, row in zip(agents, results, strict=True)}


async def one(
    client: httpx.AsyncClient, agent: Agent, home: Path, began: float
) -> tuple[float, float, float]:
    """Wait for one agent, ask it, and install it again."""
    while await state_of(client, agent) != "done":
        if time.perf_counter() - began > MOST_SECONDS:
            raise TimeoutError(f"{agent.name} is not installed")
        await asyncio.sleep(0.2)
    installed = time.perf_counter() - began
    environment = child_environment(current_environment(), home, agent.environment)
    process = await asyncio.create_subprocess_exec(
        str(home / ".local" / "bin" / ONCE[agent.name][0]),
        *ONCE[agent.name][1:],
        cwd=home / "projects",
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    if not ANSWER.search(output):
        raise RuntimeError(f"{agent.name} said: {output.decode(errors='replace')}")
    answered = time.perf_counter() - began
    started = time.perf_counter()
    await AgentInstaller(home).install(agent)
    return installed, answered, time.perf_counter() - started


async def state_of(client: httpx.AsyncClient, agent: Agent) -> str:
    """Return the state of an agent's installation."""
    tasks: list[dict[str, Any]] = (await client.get("/dbx-agents/api/status")).json()["startup"]
    task = next(task for task in tasks if task["name"] == f"install-{agent.name}")
    if task["state"] == "failed":
        raise RuntimeError(task["message"])
    return str(task["state"])


if __name__ == "__main__":
    main()
