"""What programs signal beside their text: found wherever it is cut, and answered by the server."""

from __future__ import annotations

import random
import time

import pytest

from jupyter_dbx_agents.terminals.screen.signals import (
    BELLS,
    MOST_BYTES,
    PROGRAM_STATUS,
    Signal,
    SignalScanner,
)

from .clients import Server

OUTPUT = (
    b"text \x1b]0;title\x07 more \x1b[31mred\x1b[0m \x07\r\n"
    b"\x1b]7501;state=working:msg=YQ==\x1b\\ and \x1b]7501;?\x07"
    b"\x1b]52;c;" + b"QUJD" * 3000 + b"\x07"  # a copy: longer than any signal, and its end no bell
    b"\x1b]7501;" + b"x" * MOST_BYTES + b"\x1b\\"
    b"\x1b]7501;state=bro\x1b[Hken\x07"
    b"\x1b]0;never ended\x1b]7501;state=idle\x1b\\"
    b"\x1b]7501;" + b"y" * MOST_BYTES + b"\x1b]7501;state=done\x1b\\"
    b"\x1b]9;done\x1b\\\x1b]777;notify;a;b\x07\x1b]133;A\x07\x1b]8;;http://x\x1b\\"
)
SIGNALS = [
    Signal(0, b"title"),
    BELLS,
    Signal(PROGRAM_STATUS, b"state=working:msg=YQ=="),
    Signal(PROGRAM_STATUS, b"?"),
    BELLS,  # that after an OSC which a CSI has broken off
    Signal(PROGRAM_STATUS, b"state=idle"),  # which has broken off another OSC, too
    Signal(PROGRAM_STATUS, b"state=done"),
    Signal(9, b"done"),
    Signal(777, b"notify;a;b"),
    Signal(133, b"A"),
]


@pytest.mark.parametrize("seed", range(50))
def test_signals_are_found_wherever_the_output_is_cut(seed: int):
    scanner, random_ = SignalScanner(), random.Random(seed)
    cuts = sorted(random_.randrange(len(OUTPUT)) for _ in range(random_.randrange(60)))
    pieces = [OUTPUT[a:b] for a, b in zip([0, *cuts], [*cuts, len(OUTPUT)], strict=True)]
    found = [signal for piece in pieces for signal in scanner.feed(piece)]
    assert [s for s in found if s != BELLS] == [s for s in SIGNALS if s != BELLS]
    assert 1 <= found.count(BELLS) <= SIGNALS.count(BELLS)


def test_each_byte_alone_makes_the_same_signals():
    scanner = SignalScanner()
    found = [s for at in range(len(OUTPUT)) for s in scanner.feed(OUTPUT[at : at + 1])]
    assert found == SIGNALS


def test_output_made_of_signals_takes_little_more_than_its_reading():
    """Each bell was once looked for among all signals before it: 70 s for these 98 KB."""
    output = b"\x1b]0;\x07" * 9_800 + b"\x07" * 49_000
    began = time.process_time()
    assert len(SignalScanner().feed(output)) == 9_801
    assert time.process_time() - began < 2


ASKS = r"""
stty -echo raw; printf '\033]7501;?\033\\'
answer=$(timeout --foreground 2 head -c 9 | od -An -c | tr -d ' \n'); stty sane
echo "answer: $answer"; printf 'x\033]7501;state=working\007y\n'; read x
"""


def test_the_server_answers_whether_it_knows_the_status_protocol_before_any_client_comes(
    server: Server,
):
    name = server.new("bash", "-c", ASKS)
    with server.client(name) as client:
        client.wait_for(r"answer: 033]7501;?033")
    with server.client(name) as late:
        late.wait_for("answer")
        assert "7501" not in late.output.replace("033]7501", "")


def test_two_clients_do_not_make_two_answers(server: Server):
    name = server.new("bash", "-c", f"read x; {ASKS.replace('head -c 9', 'cat')}")
    with server.client(name) as one, server.client(name) as two:
        one.type("\r")
        one.wait_for("answer")
        two.wait_for("answer")
        assert one.output.count("033]7501;?033") == 1
