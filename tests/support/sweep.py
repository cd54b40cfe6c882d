"""Walks every route of a server and knocks at each of them as somebody who is not the owner.

The routes come from the router of an app that is built in-process exactly as the one that runs, so
that no list has to be kept; the knocking goes over the wire, to the server that really runs.  As a
program it prints the routes as JSON, so that a test can build the app in a process of its own::

    python sweep.py jupyter_dbx_agents.app:DbxAgentsApp --ServerApp.port=0 ...
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import re
import re._constants as kinds
import re._parser as regex_parser
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tornado.routing import PathMatches, RuleRouter
from tornado.web import Application

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "FOO")
UPGRADE = "GET (websocket)"
CONNECTIONS_AT_ONCE = 16
ANSWER_SECONDS = 20
# Tried for a place in a pattern where one of several characters may stand.
CANDIDATES = "x1a-_.~ /%"


@dataclass(frozen=True)
class Route:
    """A pattern of the router, a path that matches it, and who would answer."""

    pattern: str
    path: str
    handler: str


@dataclass(frozen=True)
class Answer:
    """What came back for one request; status 0 if nothing did."""

    attack: str
    method: str
    path: str
    status: int
    head: bytes
    body: bytes


def routes_of(web_app: Application) -> list[Route]:
    """List the routes of every extension, in the order in which they are tried."""
    return list(_walk(web_app.default_router))


def routes_in_a_process(
    app: str, arguments: Sequence[str], environment: Mapping[str, str], cwd: Path
) -> list[Route]:
    """Build ``module:Class`` as it would be served, without serving it, and list its routes."""
    command = [sys.executable, __file__, app, *arguments]
    done = subprocess.run(
        command, env=dict(environment), cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [Route(**route) for route in json.loads(done.stdout)]


def attacks_on(owner: str) -> dict[str, list[tuple[str, bytes]]]:
    """Headers of people who are not the owner, by name; ``owner`` must contain a k and an o."""
    email, evil = owner.encode(), b"stranger@example.com"
    header = "X-Forwarded-Email"

    def look_alike(old: str, new: str) -> list[tuple[str, bytes]]:
        assert old in owner, old
        return [(header, owner.replace(old, new, 1).encode())]

    return {
        "no header": [],
        "empty": [(header, b"")],
        "stranger": [(header, evil)],
        "same twice": [(header, email), (header, email)],
        "owner, then stranger": [(header, email), (header, evil)],
        "stranger, then owner": [(header, evil), (header, email)],
        "joined": [(header, email + b"," + evil)],
        "joined the other way": [(header, evil + b", " + email)],
        "KELVIN SIGN": look_alike("k", "\u212a"),
        "Cyrillic o": look_alike("o", "\u043e"),
        "fullwidth k": look_alike("k", "\uff4b"),
        "zero width space": look_alike("@", "\u200b@"),
        "no-break space, UTF-8": [(header, "\u00a0".encode() + email)],
        "no-break space, Latin-1": [(header, b"\xa0" + email)],
        "prefix": [(header, email[:-1])],
        "suffix": [(header, email + b".example.com")],
        "plus tag": [(header, email.replace(b"@", b"+x@"))],
        "display name": [(header, b"Owner <" + email + b">")],
        "quoted": [(header, b'"' + email + b'"')],
        "underscores": [("X_Forwarded_Email", email)],
        "other header": [("X-Forwarded-User", email), ("X-Forwarded-Preferred-Username", email)],
    }


async def sweep(
    port: int, paths: Iterable[str], attacks: Mapping[str, list[tuple[str, bytes]]]
) -> list[Answer]:
    """Send each attack to each path with each method, and as a websocket handshake."""
    at_once = asyncio.Semaphore(CONNECTIONS_AT_ONCE)

    async def one(attack: str, method: str, path: str) -> Answer:
        async with at_once:
            return await knock(port, attack, method, path, attacks[attack])

    targets = sorted(set(paths))
    return await asyncio.gather(
        *(one(a, m, p) for p in targets for m in (*METHODS, UPGRADE) for a in attacks)
    )


async def knock(
    port: int, attack: str, method: str, target: str, headers: list[tuple[str, bytes]]
) -> Answer:
    """Send one request on a connection of its own and read until the server closes it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request_bytes(port, method, target, headers))
        async with asyncio.timeout(ANSWER_SECONDS):
            answer = await reader.read()
    except (ConnectionError, TimeoutError):
        answer = b""
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    status = int(head.split()[1]) if head.startswith(b"HTTP/1.1 ") else 0
    return Answer(attack, method, target, status, head, body)


def request_bytes(port: int, method: str, target: str, headers: list[tuple[str, bytes]]) -> bytes:
    """A request that lacks nothing but the right e-mail address (its XSRF token is good)."""
    host = f"127.0.0.1:{port}".encode()
    lines = [
        f"{method.split(maxsplit=1)[0]} {target} HTTP/1.1".encode(),
        b"Host: " + host,
        b"Origin: http://" + host,
        b"Cookie: _xsrf=t",
        b"X-XSRFToken: t",
        *(name.encode() + b": " + value for name, value in headers),
    ]
    if method == UPGRADE:
        lines += [b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13"]
        lines += [b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
    else:
        lines += [b"Content-Length: 0"]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def sample_path(pattern: str) -> str:
    """Return a path that the pattern of a route matches."""
    for filling in ("x", "1", "x.json", "lab"):
        path = "".join(_samples(regex_parser.parse(pattern), filling))
        path = path if path.startswith("/") else f"/{path}"
        if re.fullmatch(pattern, path):
            return path.replace(" ", "%20")
    raise ValueError(f"no sample for {pattern!r}: teach sample_path about it")


def _walk(router: RuleRouter) -> Iterator[Route]:
    for rule in router.rules:
        if isinstance(rule.target, RuleRouter):
            yield from _walk(rule.target)
        elif isinstance(rule.matcher, PathMatches):
            pattern = rule.matcher.regex.pattern
            handler = getattr(rule.target, "__qualname__", repr(rule.target))
            yield Route(pattern, sample_path(pattern), handler)


def _samples(nodes: Any, filling: str) -> Iterator[str]:
    """Spell out a parsed pattern: first branches, as few repeats as it takes, but one."""
    for kind, value in nodes:
        if kind is kinds.LITERAL:
            yield chr(value)
        elif kind in (kinds.MAX_REPEAT, kinds.MIN_REPEAT, kinds.POSSESSIVE_REPEAT):
            least, _, body = value
            yield _repeated(body, max(1, least), filling)
        elif kind is kinds.SUBPATTERN:
            yield "".join(_samples(value[3], filling))
        elif kind is kinds.ATOMIC_GROUP:
            yield "".join(_samples(value, filling))
        elif kind is kinds.BRANCH:
            yield "".join(_samples(value[1][0], filling))
        elif kind is kinds.ANY:
            yield filling
        elif kind in (kinds.IN, kinds.NOT_LITERAL):
            yield _one_of(kind, value)


def _repeated(body: Any, times: int, filling: str) -> str:
    return "".join("".join(_samples(body, filling)) for _ in range(times))


def _one_of(kind: Any, value: Any) -> str:
    if kind is kinds.NOT_LITERAL:
        return next(c for c in CANDIDATES if ord(c) != value)
    negated = value[0][0] is kinds.NEGATE
    return next(c for c in CANDIDATES if any(_holds(item, c) for item in value) is not negated)


def _holds(item: tuple[Any, Any], character: str) -> bool:
    kind, value = item
    if kind is kinds.LITERAL:
        return ord(character) == value
    if kind is kinds.RANGE:
        return bool(value[0] <= ord(character) <= value[1])
    if kind is kinds.CATEGORY:
        name = str(value).removeprefix("CATEGORY_").lower()
        matches = {"word": r"\w", "digit": r"\d", "space": r"\s"}[name.removeprefix("not_")]
        return bool(re.match(matches, character)) is not name.startswith("not_")
    return False


def main(app: str, arguments: Sequence[str]) -> None:
    """Print the routes of ``module:Class`` as JSON, and nothing else, on standard output."""
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the app prints is not ours
    module, _, name = app.partition(":")
    serverapp = getattr(importlib.import_module(module), name).initialize_server(list(arguments))
    routes = [asdict(route) for route in routes_of(serverapp.web_app)]
    with output:
        json.dump(routes, output)
    os._exit(0)  # nothing was started that would have to be stopped


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
