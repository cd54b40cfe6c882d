"""How terminals begin and end: whole, once, and without a trace."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from jupyter_dbx_agents.terminals.memory import MemoryUse, free_memory_bytes, memory_use
from tests.support.running_app import eventually

from .clients import Server, state_of

MIB = 1024 * 1024


def children(server: Server) -> dict[int, str]:
    """The server's child processes with their states."""
    tasks = Path(f"/proc/{server.process.pid}/task").glob("*/children")
    pids = [int(pid) for task in tasks for pid in task.read_text().split()]
    return {pid: state_of(pid) for pid in pids}


def test_deleting_a_terminal_ends_everything_that_it_started(server: Server, folder: Path):
    name = server.new()
    with server.client(name) as client:
        shell = int(client.run("echo $$"))
        for job in (
            "bash -c 'trap \"\" HUP INT TERM; while :; do sleep 1; done' &",
            "nohup sleep 601 > /dev/null 2>&1 &",
            "sleep 602 &",
            f"(sleep 603 & kill -STOP $!; echo $! > {folder}/stopped) &",
        ):
            client.run(job.removesuffix(" &") + f" & echo $! >> {folder}/pids")
        client.run("true")
    eventually((folder / "stopped").exists)
    pids = [int(line) for line in (folder / "pids").read_text().split()]
    assert len(pids) == 4 and state_of(pids[0])
    pids.append(eventually(lambda: int((folder / "stopped").read_text() or 0)))
    assert server.delete(name) == 204
    eventually(lambda: not any(state_of(pid) not in {"", "Z"} for pid in [*pids, shell]))
    eventually(lambda: "Z" not in children(server).values(), what="no zombie")
    assert name not in server.models()


DETACHING_AGENT = (
    "import subprocess,sys,time\n"
    "tool=subprocess.Popen(['sleep','604'],start_new_session=True)\n"
    "open(sys.argv[1],'w').write(f'{tool.pid}\\n')\ntime.sleep(600)"
)


def test_a_program_in_a_session_of_its_own_ends_with_its_parent_and_a_daemon_lives_on(
    server: Server, folder: Path
):
    name = server.new()
    with server.client(name) as client:
        shell = int(client.run("echo $$"))
        client.run(
            f"setsid sh -c 'echo $$ > {folder}/daemon; exec sleep 605' > /dev/null 2>&1 & true"
        )
        client.type(f'{sys.executable} -c "{DETACHING_AGENT}" {folder}/tool\r')
        tool, daemon = (eventually(partial(a_pid, folder / n)) for n in ("tool", "daemon"))
        eventually(lambda: parent_of(daemon) != shell, what="a daemon, which has no parent of ours")
    try:
        assert state_of(tool)
        assert server.delete(name) == 204
        eventually(lambda: state_of(tool) in {"", "Z"})
        assert state_of(daemon) not in {"", "Z"}
    finally:
        os.kill(daemon, signal.SIGKILL)


def a_pid(file: Path) -> int:
    """The process that a file names; 0 while it does not."""
    text = file.read_text() if file.exists() else ""
    return int(text) if text.endswith("\n") else 0


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_killed_shell_is_gone_at_once_and_its_client_is_told(server: Server):
    name = server.new()
    with server.client(name) as client:
        shell = int(client.run("echo $$"))
        os.kill(shell, signal.SIGKILL)
        eventually(lambda: client.read(1) and client.ended)
    eventually(lambda: name not in server.models())
    eventually(lambda: state_of(shell) == "", what="reaped")


def test_a_program_that_closes_its_tty_and_lives_on_stops_nothing(server: Server):
    other = server.new()
    with server.client(other) as client:
        client.run("true")
        stubborn = "trap '' HUP TERM; exec sleep 600 </dev/null >/dev/null 2>&1"
        name = server.new("bash", "-c", stubborn)
        assert client.run("echo works") == "works\n"
        eventually(lambda: name not in server.models())
    eventually(lambda: "Z" not in children(server).values(), what="no zombie")
    server.delete(other)


def test_deleting_twice_and_while_it_ends_is_one_end(server: Server):
    names = [server.new() for _ in range(10)]
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(server.delete, names * 2))
    assert set(answers) <= {204, 404} and answers.count(204) >= 10
    assert not set(names) & set(server.models())
    eventually(lambda: "Z" not in children(server).values(), what="no zombie")
    fresh = server.new()  # gets the descriptors that were closed
    with server.client(fresh) as client:
        assert client.run("echo works") == "works\n"
    server.delete(fresh)


def test_opening_and_closing_leaks_no_descriptor(server: Server):
    def descriptors() -> int:
        return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))

    def once() -> None:
        name = server.new()
        with server.client(name) as client:
            client.run("true")
        server.delete(name)

    once()
    before = descriptors()
    for _ in range(10):
        once()
    eventually(lambda: descriptors() <= before + 1, what="no more descriptors than before")


def test_a_closed_connection_is_not_kept_until_the_next_ping(server: Server):
    def connect_often() -> None:
        for _ in range(400):
            with server.client(name):
                pass

    name = server.new("cat")
    connect_often()
    before = server.resident_bytes()
    connect_often()
    assert server.resident_bytes() - before < 400 * 8 * 1024
    server.delete(name)


def test_a_connection_that_is_cut_leaves_the_terminal_as_it_is(server: Server):
    name = server.new()
    with server.client(name) as client:
        client.run("cd /; kept=yes")
        client.cut()
    eventually(lambda: server.models()[name]["clients"] == 0)
    with server.client(name) as client:
        assert "yes /\n" in client.run("echo $kept $PWD")
    server.delete(name)


def test_a_client_is_told_which_terminal_it_is_in_before_anything_is_drawn(server: Server):
    def first_messages(name: str, count: int) -> list[list[str]]:
        with server.client(name) as client:
            client.send("identity")
            return [json.loads(client.socket.recv(timeout=60)) for _ in range(count)]

    name = server.new("sh", "-c", "echo drawn; exec cat")
    with server.client(name) as client:
        client.expect("drawn")
    setup, told, drawn, asked = first_messages(name, 4)
    assert (setup[0], told[0], drawn[0]) == ("setup", "identity", "stdout")
    assert asked == told
    assert first_messages(name, 2)[1] == told
    assert told[2] == server.http.get("/api/status").json()["started"]
    server.delete(name)
    server.new("sh", name=name)
    other = first_messages(name, 2)[1]
    assert (other[0], other[2]) == ("identity", told[2])
    assert other[1] != told[1]


def test_a_storm_of_sizes_is_felt_as_a_breeze(server: Server):
    program = (
        "import signal,os,time\nn=0\n"
        "def f(*_):\n global n\n n+=1\n"
        " os.write(1,b'size %d %d;' % (n, os.get_terminal_size().columns))\n"
        "signal.signal(signal.SIGWINCH,f)\nos.write(1,b'READY')\nwhile True: time.sleep(1)"
    )
    name = server.new(sys.executable, "-c", program)
    with server.client(name) as client:
        client.wait_for("READY")
        started = time.monotonic()
        for columns in range(40, 541):
            client.send("set_size", 24, columns)
        client.wait_for(" 540;")
        took = time.monotonic() - started
        client.until_quiet()
    times = client.output.count("size ")
    assert times <= 3 + took / 0.05
    server.delete(name)


def test_the_smallest_client_decides_and_its_leaving_counts(server: Server):
    name = server.new()
    with server.client(name, (50, 200)) as large:
        with server.client(name, (20, 40)):
            eventually(lambda: large.run("stty size") == "20 40\n")
        eventually(lambda: large.run("stty size") == "50 200\n")
    server.delete(name)


def test_the_model_tells_who_does_what(server: Server):
    name = server.new()
    with server.client(name) as client:
        client.run("true")
        model = server.models()[name]
        assert (model["foreground"], model["clients"]) == ("bash", 1)
        client.type("sleep 600\r")
        eventually(lambda: server.models()[name]["foreground"] == "sleep")
        before = server.models()[name]["last_activity"]
        client.type("x")
        eventually(lambda: server.models()[name]["last_activity"] > before)
    eventually(lambda: server.models()[name]["clients"] == 0)
    server.delete(name)


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ("-u {folder}/agent.py --ask", "agent"),
        ("-m http.server 0", "http.server"),
        ("-c 'import time; time.sleep(600)'", Path(sys.executable).resolve().name),
    ],
)
def test_a_script_is_told_by_its_own_name_and_not_by_its_interpreters(
    server: Server, folder: Path, arguments: str, shown: str
):
    (folder / "agent.py").write_text("import time\ntime.sleep(600)\n")
    name = server.new()
    with server.client(name) as client:
        client.run("true")
        client.type(f"{Path(sys.executable).resolve()} {arguments.format(folder=folder)}\r")
        eventually(lambda: server.models()[name]["foreground"] == shown)
    server.delete(name)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"cwd": "/etc/hostname"}, "Not a directory"),
        ({"shell_command": ["no-such-program"]}, "not found"),
        ({"shell_command": ["true", "x" * 200_000]}, "list too long"),
    ],
    ids=["file", "command", "arguments"],
)
def test_what_starts_no_terminal_is_refused_with_the_reason(
    server: Server, body: dict[str, Any], said: str
):
    before = server.models().keys()
    refusal = server.http.post("/api/terminals", json=body)
    assert (refusal.status_code, said in refusal.json()["message"]) == (400, True), refusal.text
    assert server.models().keys() == before


def test_too_many_terminals_are_refused_with_what_to_do(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("cap"), "--DbxTerminalManager.most_terminals=2")
    try:
        first, _second = server.new(), server.new()
        refusal = server.http.post("/api/terminals", json={})
        assert refusal.status_code == 429
        assert "no more than 2 are allowed" in refusal.json()["message"]
        server.delete(first)
        server.new()
    finally:
        server.stop()


def test_too_little_memory_is_refused_with_what_to_do(tmp_path_factory):
    option = "--DbxTerminalManager.least_free_memory_mib=100000000"
    server = Server(tmp_path_factory.mktemp("memory"), option)
    try:
        refusal = server.http.post("/api/terminals", json={})
        assert refusal.status_code == 429
        assert "MiB of memory are free" in refusal.json()["message"]
    finally:
        server.stop()


def test_only_an_idle_terminal_is_culled(tmp_path_factory):
    server = Server(
        tmp_path_factory.mktemp("cull"),
        "--TerminalManager.cull_inactive_timeout=1",
        "--TerminalManager.cull_interval=1",
    )
    try:
        idle, busy, watched = server.new(), server.new(), server.new()
        with server.client(busy) as client:
            client.run("true")
            client.type("sleep 600\r")
            eventually(lambda: server.models()[busy]["foreground"] == "sleep")
        with server.client(watched):
            eventually(lambda: idle not in server.models())
            time.sleep(2.5)  # two more rounds of culling, which must not happen
            assert {busy, watched} <= server.models().keys()
        eventually(lambda: watched not in server.models())
    finally:
        server.stop()


def write(root: Path, files: dict[str, object]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(content))
    return root


def test_free_memory_is_the_containers_without_its_page_cache(tmp_path: Path):
    meminfo = "MemTotal: 99999999 kB\nMemAvailable:    8000000 kB\n"
    unified = write(
        tmp_path / "v2",
        {
            "proc/self/cgroup": "0::/app\n",
            "proc/meminfo": meminfo,
            "sys/fs/cgroup/app/memory.max": "max",
            "sys/fs/cgroup/app/memory.current": 900 * MIB,
            "sys/fs/cgroup/memory.max": 1000 * MIB,
            "sys/fs/cgroup/memory.current": 900 * MIB,
            "sys/fs/cgroup/memory.stat": f"anon 5\ninactive_file {700 * MIB}\nactive_file 9",
        },
    )
    assert free_memory_bytes(unified) == 800 * MIB
    assert memory_use(unified) == MemoryUse(used_bytes=200 * MIB, limit_bytes=1000 * MIB)
    old = write(
        tmp_path / "v1",
        {
            "proc/self/cgroup": "5:devices:/x\n4:memory:/x/y\n0::/\n",
            "proc/meminfo": meminfo,
            "sys/fs/cgroup/memory/x/y/memory.limit_in_bytes": 512 * MIB,
            "sys/fs/cgroup/memory/x/y/memory.usage_in_bytes": 500 * MIB,
            "sys/fs/cgroup/memory/x/y/memory.stat": f"cache 1\ntotal_inactive_file {100 * MIB}",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": 9223372036854771712,
            "sys/fs/cgroup/memory/memory.usage_in_bytes": 1,
        },
    )
    assert free_memory_bytes(old) == 112 * MIB
    assert memory_use(old) == MemoryUse(used_bytes=400 * MIB, limit_bytes=512 * MIB)
    unlimited = write(tmp_path / "none", {"proc/meminfo": meminfo})
    assert free_memory_bytes(unlimited) == 8000000 * 1024
    assert memory_use(unlimited) == MemoryUse(
        used_bytes=(99999999 - 8000000) * 1024, limit_bytes=None
    )
    assert free_memory_bytes(tmp_path / "nothing") is None
    assert memory_use(tmp_path / "nothing") == MemoryUse(used_bytes=0, limit_bytes=None)


def test_the_figures_are_on_the_metrics_page(server: Server):
    name = server.new()
    with server.client(name) as client:
        client.run("echo hello")
    with server.client(name) as client:
        client.until_quiet()
    figures = server.figures()
    for figure in ("output_bytes", "input_bytes", "pauses", "left_behind", "dropped_clients"):
        assert f"{figure}_total" in figures
    assert figures["output_bytes_total"] > 0 and figures["replays_total"] > 0
    eventually(lambda: server.figures()["event_loop_lag_seconds_count"] > 0)
    server.delete(name)
