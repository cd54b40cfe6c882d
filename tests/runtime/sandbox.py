"""Runs a program as the platform's container does, as far as this machine lets an ordinary user.

As a program of its own (it needs a process with one thread, and becomes the container's first),
told on its standard input what to do, as ``Order`` in JSON: on a command line all could read it.

In a user and mount namespace the source lies at ``/app/python/source_code``, ``/tmp`` is empty, and
nothing of the rest can be told from outside.  Without namespaces the program runs where it is.  Two
processors; 6 GB of data for each process (the platform's 6 GB are all processes' together, which
takes a control group).  SIGTERM goes to the program alone; what it leaves behind is noted in
``left_file`` and killed, as a container's end kills it.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

SOURCE_CODE = Path("/app/python/source_code")
MEMORY_BYTES = 6 * 1024**3
PROCESSORS = 2
# linux/sched.h, linux/mount.h, linux/prctl.h
CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
PR_SET_CHILD_SUBREAPER = 36
LIBC = ctypes.CDLL(None, use_errno=True)


def check(result: int) -> None:
    """Raise what the C library has noted, if a call failed."""
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def unshare_as_myself() -> None:
    """Enter namespaces in which this user may mount, and is still this user."""
    uid, gid = os.geteuid(), os.getegid()
    check(LIBC.unshare(CLONE_NEWUSER | CLONE_NEWNS))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")


def bind(source: Path | str, target: Path) -> None:
    """Show a folder or file at a second place."""
    check(LIBC.mount(os.fsencode(source), os.fsencode(target), None, MS_BIND | MS_REC, None))


def show(source: Path, root: Path) -> None:
    """Show something at the same path below another root."""
    target = root / source.relative_to("/")
    if source.is_symlink():
        target.symlink_to(source.readlink())
    elif source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        bind(source, target)
    elif source.is_file():
        target.touch()
        bind(source, target)


def change_root(source: Path, visible: list[str]) -> None:
    """Make a root like the one there is, but for the source's place and an empty ``/tmp``."""
    check(LIBC.mount(None, b"/", None, MS_REC | MS_PRIVATE, None))
    root = source.parent / "root"
    root.mkdir(exist_ok=True)
    check(LIBC.mount(b"tmpfs", os.fsencode(root), b"tmpfs", 0, None))
    for entry in Path("/").iterdir():
        if entry.name not in {"app", "tmp"}:
            show(entry, root)
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)
    for path in map(Path, visible):
        if path.is_relative_to("/tmp"):
            show(path, root)
    place = root / SOURCE_CODE.relative_to("/")
    place.mkdir(parents=True)
    bind(source, place)
    os.chroot(root)
    os.chdir(SOURCE_CODE)


def limit() -> None:
    """Leave two processors, and to each process 6 GB of data."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:PROCESSORS])


def children() -> list[int]:
    """Return this process's children, adopted ones included."""
    pids = Path("/proc/self/task", str(os.getpid()), "children").read_text()
    return [int(pid) for pid in pids.split()]


def bury(left_file: Path) -> None:
    """Note what is left, and kill it; what its end sets free comes next."""
    deadline = time.monotonic() + 10
    with left_file.open("a") as notes:
        while (pids := children()) and time.monotonic() < deadline:
            for pid in pids:
                command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
                if command:
                    notes.write(f"{command.decode(errors='replace').strip()}\n")
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


@dataclass
class Order:
    """What to run, with which variables, and what of ``/tmp`` it sees."""

    command: list[str]
    environment: dict[str, str]
    source: str
    visible: list[str]
    left_file: str
    isolates: bool


def main(order: Order) -> int:
    """Run the command; return its exit code, negative for a signal."""
    left_file = os.open(order.left_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.chdir(order.source)
    if order.isolates:
        unshare_as_myself()
        change_root(Path(order.source), order.visible)
    check(LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
    program = os.fork()
    if not program:
        os.setsid()
        os.close(left_file)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        limit()
        os.execvpe(order.command[0], order.command, order.environment)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(program, signal.SIGTERM))
    status = None
    while status is None:  # whoever else ends meanwhile is only to be waited for
        pid, ended = os.wait()
        status = ended if pid == program else None
    bury(Path(f"/proc/self/fd/{left_file}"))
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(Order(**json.load(sys.stdin))) & 0xFF)
