"""What two hours of Claude Code cost in input tokens, with the settings for a gateway and without.

Claude Code is real, and so are its requests: one conversation of 24 turns.  The other end is a stub
that keeps Anthropic's rules of the prompt cache on a clock of its own, on which turns come as a
person asks who now and then reads, or is in a meeting: marked prefixes live for five minutes or an
hour from their last use, and a prefix is found up to 20 blocks before a mark.  A token is four
bytes; the price is in uncached tokens: a read costs a tenth, a write a quarter more, for an hour
twice as much.
https://docs.claude.com/en/docs/build-with-claude/prompt-caching
"""

import asyncio
import hashlib
import json
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from jupyter_dbx_agents.agents import AgentInstaller
from jupyter_dbx_agents.agents.claude_code import CLAUDE_CODE, GATEWAY, SERVING
from jupyter_dbx_agents.environment import child_environment, current_environment

MODEL = "databricks-claude-opus-4-7"
# Minutes before each turn: two hours.
PAUSES = (0, 1, 2, 8, 1, 3, 15, 2, 1, 6, 4, 1, 16, 1, 2, 8, 1, 3, 15, 2, 1, 6, 4, 17)
READ_PRICE, WRITE_PRICES = 0.1, {5.0: 1.25, 60.0: 2.0}
LOOK_BACK_BLOCKS = 20
BYTES_PER_TOKEN = 4
# About what a turn adds: what a person asks, and what the agent says.
QUESTION, ANSWER = "please look at this: " + "word " * 300, "found it. " * 300
SECONDS = 120
Json = dict[str, Any]


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(dir=Path.home()) as folder:
        home = Path(folder)
        program = _install(home)
        columns = f"{'input':>10}{'cache write':>13}{'cache read':>12}{'price':>10}"
        print(f"{'thousands of tokens':22}{columns}")
        for name, settings in (("without a gateway", SERVING), ("on a gateway", GATEWAY)):
            counts = play(program, home / name.replace(" ", "-"), settings)
            plain, written, read, price = (count / 1000 for count in counts)
            print(f"{name:22}{plain:10.0f}{written:13.0f}{read:12.0f}{price:10.0f}", flush=True)


def _install(home: Path) -> Path:
    installer = AgentInstaller(home)
    asyncio.run(installer.install(CLAUDE_CODE))
    found = installer.installed(CLAUDE_CODE)
    assert found is not None
    return found.program


def play(program: Path, home: Path, settings: Mapping[str, str]) -> tuple[float, ...]:
    """Return the tokens of a conversation (uncached, written to the cache, read), and the price."""
    project = home / "project"
    project.mkdir(parents=True)
    cache = Cache()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(cache))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = child_environment(current_environment(), home, CLAUDE_CODE.environment) | {
        "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{server.server_port}",
        "ANTHROPIC_AUTH_TOKEN": "local",
        "ANTHROPIC_MODEL": MODEL,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        **settings,
    }
    try:
        for turn, pause in enumerate(PAUSES):
            cache.minutes += pause
            command = [str(program), "-p", *(["-c"] if turn else []), f"{turn}: {QUESTION}"]
            subprocess.run(
                command, cwd=project, env=environment, stdin=subprocess.DEVNULL,
                capture_output=True, timeout=SECONDS, check=True,
            )  # fmt: skip
    finally:
        server.shutdown()
        server.server_close()
    return cache.plain, cache.written, cache.read, cache.price


class Cache:
    """Anthropic's prompt cache, on a clock that is set."""

    def __init__(self) -> None:
        self.minutes = 0.0
        self.plain = self.written = self.read = self.price = 0.0
        self._until: dict[str, float] = {}
        self._ttl: dict[str, float] = {}

    def count(self, body: Json) -> None:
        """Count a request's tokens by the rules."""
        digest, size = hashlib.sha256(), 0
        prefixes: list[tuple[str, int]] = []
        marks: list[tuple[int, float]] = []
        for number, (block, mark) in enumerate(_blocks(body)):
            digest.update(block)
            size += len(block)
            prefixes.append((digest.hexdigest(), size))
            if mark:
                marks.append((number, 60.0 if mark.get("ttl") == "1h" else 5.0))
        found = [
            place
            for number, _ in marks
            for place in range(max(0, number - LOOK_BACK_BLOCKS), number + 1)
            if self._until.get(prefixes[place][0], -1.0) >= self.minutes
        ]
        read = prefixes[max(found)][1] if found else 0
        last = prefixes[marks[-1][0]][1] if marks else 0
        for number, minutes in marks:
            self._ttl[prefixes[number][0]] = minutes
        for place in {*found, *(number for number, _ in marks)}:
            name = prefixes[place][0]
            self._until[name] = self.minutes + self._ttl[name]
        counts = (size - max(last, read), max(0, last - read), read)
        plain, written, read_tokens = (count / BYTES_PER_TOKEN for count in counts)
        self.plain, self.written = self.plain + plain, self.written + written
        self.read += read_tokens
        written_for = marks[-1][1] if marks else 5.0
        self.price += plain + WRITE_PRICES[written_for] * written + READ_PRICE * read_tokens


def _blocks(body: Json) -> Iterator[tuple[bytes, Json]]:
    """Yield a request's blocks in the order of the cache, each with its mark."""
    system = body.get("system") or []
    blocks = [*body.get("tools", []), *([{"text": system}] if isinstance(system, str) else system)]
    for message in body["messages"]:
        content = message["content"]
        content = [{"type": "text", "text": content}] if isinstance(content, str) else content
        blocks += [{"role": message["role"], **block} for block in content]
    for block in blocks:
        bare = {name: value for name, value in block.items() if name != "cache_control"}
        yield json.dumps(bare, sort_keys=True).encode(), block.get("cache_control") or {}


def _handler(cache: Cache) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the base class names it
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if not self.path.startswith("/v1/messages?") and self.path != "/v1/messages":
                self.send_error(404)
                return
            if str(body["model"]).startswith(MODEL):
                cache.count(body)
            events = b"".join(_event(event) for event in _answer(body["model"]))
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Content-Length", str(len(events)))
            self.end_headers()
            self.wfile.write(events)

        def log_message(self, *_arguments: object) -> None:
            pass

    return Handler


def _event(event: Json) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


def _answer(model: str) -> list[Json]:
    usage = {"input_tokens": 1, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": []}
    text = {"type": "text", "text": ""}
    return [
        {"type": "message_start", "message": {**message, "stop_reason": None, "usage": usage}},
        {"type": "content_block_start", "index": 0, "content_block": text},
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": ANSWER},
        },
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage},
        {"type": "message_stop"},
    ]
