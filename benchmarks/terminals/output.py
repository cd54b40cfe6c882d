"""What much output costs: time, CPU, messages, and memory when nobody takes it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from .figures import Figures, running
from .programs import END, FULL_SCREEN, MIB, MIXED, TEXT, TEXT_BYTES, python
from .wire import Server, wait

SCREENS_BYTES = 16 * MIB


def text(open_: Callable[..., Any], cpu: Callable[[], float] = time.process_time) -> Figures:
    """Measure 64 MiB of text to a client that reads as fast as it can."""
    with open_(*python(TEXT)) as client:
        time.sleep(0.5)
        used, started = cpu(), time.perf_counter()
        client.type("\r")
        size = client.until(END, 120)
        seconds, used = time.perf_counter() - started, cpu() - used
        figures = {
            "64 MiB of text, MB/s": TEXT_BYTES / 1e6 / seconds,
            "… CPU s per 100 MiB": used * 100 * MIB / TEXT_BYTES,
        }
        if hasattr(client, "messages"):
            figures["… messages"] = float(client.messages)
            figures["… wire bytes per byte"] = size / TEXT_BYTES
    return figures


def screens(open_: Callable[..., Any], cpu: Callable[[], float] = time.process_time) -> Figures:
    """Measure a full-screen program, whose every byte a model of the screen has to follow."""
    return _program("full screens", FULL_SCREEN, open_, cpu)


def mixed(open_: Callable[..., Any], cpu: Callable[[], float] = time.process_time) -> Figures:
    """Measure encoded data, wide characters and coloured redraws in turn."""
    return _program("mixed output", MIXED, open_, cpu)


def _program(
    name: str, program: str, open_: Callable[..., Any], cpu: Callable[[], float]
) -> Figures:
    with open_(*python(program, str(SCREENS_BYTES))) as client:
        time.sleep(0.5)
        used, started = cpu(), time.perf_counter()
        client.type("\r")
        client.until(END, 120)
        seconds, used = time.perf_counter() - started, cpu() - used
    return {
        f"{SCREENS_BYTES // MIB} MiB of {name}, MB/s": SCREENS_BYTES / 1e6 / seconds,
        "… CPU s per 100 MiB": used * 100 * MIB / SCREENS_BYTES,
    }


def stalled(server: Server, seconds: float = 30) -> Figures:
    """Measure the memory that a client costs which reads nothing under a flood, and its return."""
    with running(server, "true") as _first:
        before = server.resident_mib()
    with running(server, "yes", "forty characters of text in every line") as client:
        time.sleep(seconds)
        grown = server.resident_mib() - before
        started = time.perf_counter()
        if server.name == "ours":  # stock has a thousand seconds of output to send first
            wait(lambda: b"\\u001bc" in client.read(1), 60)
        back = 1000 * (time.perf_counter() - started)
    figures = {f"client stalled for {seconds:.0f} s, MiB more": max(grown, 0.01)}
    return figures | ({"… back on the true screen, ms": back} if server.name == "ours" else {})
