"""Access over the wire, to a real JupyterLab server with other people's extensions in it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from jupyter_dbx_agents.auth.gate import RefusalLog
from tests.support import sweep
from tests.support.running_app import eventually

from .apps_api import AppsApi, serving_in_a_thread
from .guarded_server import OPTIONS, OWNER, GuardedServer, environment, guarded_server

EMAIL = {"X-Forwarded-Email": OWNER}
XSRF = {"Cookie": "_xsrf=t", "X-XSRFToken": "t"}
TOKEN = "open-sesame"  # Jupyter would let in whoever knows it
PUBLIC_HOST = "agents-1.aws.databricksapps.com"
# Behind a proxy that speaks to us under another name than the browser does to it.
REWRITTEN = {"Host": "10.0.0.7:8000", "X-Forwarded-Host": PUBLIC_HOST}
ODD_TARGETS = ("http://example.com/lab", "//lab", "//example.com/lab", "/lab/../api", "/%2e/api")
UNDECLARED = ("/lab", "/no/such/page", "/static/style/style.min.css", "/dbx-agents/x", "/a?b=c")
# One of each kind; all kinds are tried on a few paths.
MAIN_ATTACKS = (
    "no header",
    "stranger",
    "same twice",
    "joined",
    "KELVIN SIGN",
    "Cyrillic o",
    "underscores",
)
SOCKETS = (
    "/api/kernels/12345678-1234-1234-1234-123456789012/channels",
    "/terminals/websocket/1",
    "/api/events/subscribe",
    "/lsp/ws/pylsp",
    "/third-party/socket",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedServer]:
    with guarded_server(tmp_path_factory.mktemp("home"), JUPYTER_TOKEN=TOKEN) as running:
        yield running


@pytest.fixture
def owner(server: GuardedServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, headers=EMAIL, timeout=60) as client:
        yield client


@pytest.fixture
def stranger(server: GuardedServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=60) as client:
        yield client


def not_refused(answers: list[sweep.Answer]) -> list[sweep.Answer]:
    """Those that are anything but a full refusal without a word about the owner."""
    return [answer for answer in answers if not is_refusal(answer)]


def is_refusal(answer: sweep.Answer) -> bool:
    return (
        answer.status == 403
        and b"\r\nConnection: close" in answer.head
        and b"no-store" in answer.head
        and (not answer.body if answer.method == "HEAD" else b"owner only" in answer.body)
        and OWNER.encode() not in answer.head + answer.body
    )


def test_every_route_refuses_everybody_but_the_owner(server: GuardedServer, tmp_path: Path) -> None:
    routes = sweep.routes_in_a_process(
        "gated_app:GatedApp", (*OPTIONS, "--ServerApp.port=0"), environment(tmp_path), tmp_path
    )
    handlers = {route.handler for route in routes}
    assert len(routes) > 50
    assert {"TermSocket", "LabHandler", "LanguageServersHandler", "EchoHandler"} <= handlers
    attacks = sweep.attacks_on(OWNER)
    paths = [route.path for route in routes] + [*UNDECLARED]
    answers = asyncio.run(
        sweep.sweep(server.port, paths, {name: attacks[name] for name in MAIN_ATTACKS})
    )
    assert len(answers) > 4000
    assert not_refused(answers) == []


@pytest.mark.parametrize("path", ["/api/status", "/third-party/plain", *ODD_TARGETS])
def test_every_kind_of_forgery_is_refused(server: GuardedServer, path: str) -> None:
    answers = asyncio.run(sweep.sweep(server.port, [path], sweep.attacks_on(OWNER)))
    assert not_refused(answers) == []


@pytest.mark.parametrize(("method", "target"), [("OPTIONS", "*"), ("CONNECT", "example.com:443")])
def test_requests_without_a_path_are_refused(
    server: GuardedServer, method: str, target: str
) -> None:
    [answer] = asyncio.run(all_knocks(server.port, method, [target], []))
    assert is_refusal(answer)


async def all_knocks(
    port: int, method: str, targets: list[str], headers: list[tuple[str, bytes]]
) -> list[sweep.Answer]:
    return [await sweep.knock(port, "", method, target, headers) for target in targets]


def test_a_websocket_of_a_stranger_is_refused(server: GuardedServer) -> None:
    for path in SOCKETS:
        for headers in ({}, {"X-Forwarded-Email": "stranger@example.com"}):
            with pytest.raises(InvalidStatus) as refused, opened(server, path, headers):
                pass
            assert refused.value.response.status_code == 403, path


def test_a_strangers_upload_is_refused_before_it_is_read(server: GuardedServer) -> None:
    before = server.resident_kilobytes("VmHWM")
    for framing in ("Content-Length: 209715200", "Transfer-Encoding: chunked"):
        sent = upload_until_refused(server.port, framing, limit_bytes=200 * 2**20)
        assert sent < 50 * 2**20
    assert server.resident_kilobytes("VmHWM") - before < 16 * 1024


def upload_until_refused(port: int, framing: str, limit_bytes: int) -> int:
    """Send a body until the server hangs up; return how many bytes of it were taken."""
    chunk = bytes(2**20)
    if "chunked" in framing:
        chunk = b"100000\r\n" + chunk + b"\r\n"
    head = f"POST /api/contents/x HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n".encode()
    sent = 0
    with socket.create_connection(("127.0.0.1", port)) as client, contextlib.suppress(OSError):
        client.sendall(head)
        while sent < limit_bytes:
            client.sendall(chunk)
            sent += len(chunk)
    return sent


def test_one_connection_of_a_proxy_can_carry_owner_and_stranger(server: GuardedServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as client:
        mine = f"GET /api/status HTTP/1.1\r\nHost: h\r\nX-Forwarded-Email: {OWNER}\r\n\r\n"
        client.sendall((mine * 2 + "GET /api/status HTTP/1.1\r\nHost: h\r\n\r\n").encode())
        received = b"".join(iter(lambda: client.recv(65536), b""))
    assert re.findall(rb"HTTP/1.1 (\d+)", received) == [b"200", b"200", b"403"]


def test_a_page_of_refusal_runs_nothing_and_is_kept_nowhere(stranger: httpx.Client) -> None:
    headers = stranger.get("/lab").headers
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert "set-cookie" not in headers
    assert "server" not in headers


def test_the_liveness_route_tells_strangers_its_status_and_nothing_else(
    stranger: httpx.Client,
) -> None:
    for method in ("GET", "HEAD"):
        answer = stranger.request(method, "/dbx-agents/healthz?x=1")
        assert (answer.status_code, answer.content) == (200, b"")
        assert "server" not in answer.headers
    for path in (
        "/dbx-agents/healthz/",
        "/dbx-agents/healthzz",
        "//dbx-agents/healthz",
        "/dbx-agents/",
    ):
        assert stranger.get(path).status_code == 403, path
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "FOO"):
        assert stranger.request(method, "/dbx-agents/healthz").status_code == 403, method


def test_refusals_are_logged_rarely_and_without_secrets(
    server: GuardedServer, stranger: httpx.Client
) -> None:
    stranger.get("/lab?token=a-secret", headers={"X-Forwarded-Email": "who@example.com"})
    refusals = [line for line in server.log.splitlines() if "Refused" in line]
    assert refusals
    assert len(refusals) <= 1 + (time.monotonic() - STARTED_AT) / 60
    assert "a-secret" not in server.log
    assert "who@example.com" not in server.log


STARTED_AT = time.monotonic()


def test_the_log_of_refusals_counts_what_it_leaves_out() -> None:
    class Recorder:
        lines: list[str] = []

        def warning(self, message: str, *values: object) -> None:
            self.lines.append(message % values)

    now = [0.0]
    log = RefusalLog(Recorder(), clock=lambda: now[0])  # type: ignore[arg-type]
    request = HTTPServerRequest(
        start_line=RequestStartLine("GET", "/p\n" + "x" * 9999 + "?q=s", "HTTP/1.1"),
        headers=HTTPHeaders({"Host": "h"}),
    )
    for at in (0.0, 1.0, 59.0, 60.0):
        now[0] = at
        log.note(request, 403)  # type: ignore[arg-type]
    assert [re.findall(r"\d+ more", line)[0] for line in Recorder.lines] == ["0 more", "2 more"]
    assert all(
        len(line) < 300 and "\n" not in line and "q=s" not in line for line in Recorder.lines
    )


# --- what the owner can do


@pytest.mark.parametrize(
    "path",
    [
        "/lab",
        "/api/status",
        "/api/me",
        "/api/contents",
        "/third-party/plain",
        "/static/favicon.ico",
    ],
)
def test_the_owner_gets_in(owner: httpx.Client, path: str) -> None:
    assert owner.get(path).status_code == 200


def test_the_owner_gets_in_whatever_the_case_of_the_address(stranger: httpx.Client) -> None:
    answer = stranger.get("/api/me", headers={"X-Forwarded-Email": OWNER.upper()})
    assert answer.json()["identity"]["username"] == OWNER


def test_an_unknown_page_is_a_404_and_no_login_loop(owner: httpx.Client) -> None:
    assert owner.get("/no/such/page").status_code == 404
    assert owner.get("/login").status_code == 404
    assert owner.patch("/api/me", headers=XSRF, json={"color": "red"}).status_code < 500


def test_the_xsrf_cookie_is_secure_and_of_this_site_only(owner: httpx.Client) -> None:
    cookie = owner.get("/lab").headers["set-cookie"]
    assert cookie.startswith("_xsrf=")
    assert "; Secure" in cookie
    assert "; SameSite=Lax" in cookie
    assert "HttpOnly" not in cookie  # JupyterLab reads it


def test_a_write_needs_the_xsrf_token_and_our_own_origin(server: GuardedServer) -> None:
    content = {"type": "file", "format": "text", "content": "x"}
    url = f"{server.url}/api/contents/a.txt"

    def status(**headers: str) -> int:
        return httpx.put(url, headers={**EMAIL, **headers}, json=content, timeout=30).status_code

    cross_site = {"Origin": "https://evil.example"}
    assert status(**XSRF) in (200, 201)
    assert status(**XSRF, Origin=server.url) == 200
    assert status() == 403
    assert status(Authorization="token x") == 403
    assert status(Cookie="_xsrf=t", **{"X-XSRFToken": "other"}) == 403
    assert status(**XSRF, **cross_site) in (403, 404)
    assert status(**XSRF, **REWRITTEN, Origin=f"https://{PUBLIC_HOST}") == 200
    assert status(**XSRF, **REWRITTEN, **cross_site) in (403, 404)
    assert status(**REWRITTEN) == 403


def test_a_token_opens_nothing_and_stands_in_no_page(
    stranger: httpx.Client, owner: httpx.Client
) -> None:
    bearer = {"Authorization": f"token {TOKEN}"}
    assert stranger.get(f"/api/status?token={TOKEN}", headers=bearer).status_code == 403
    assert owner.post(f"/api/terminals?token={TOKEN}", headers=bearer).status_code == 403
    assert TOKEN not in owner.get("/lab").text


def opened(server: GuardedServer, path: str, headers: dict[str, str]) -> ClientConnection:
    """A websocket; a Host header replaces the one that the client would send."""
    headers = {"Origin": server.url, **headers}
    uri = f"ws://{headers.pop('Host', '')}" if "Host" in headers else server.url
    uri = uri.replace("http://", "ws://") + path
    plain = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    return connect(uri, sock=plain, additional_headers=headers, proxy=None)


def test_the_owners_websockets_open_from_our_own_origin_only(
    server: GuardedServer, owner: httpx.Client
) -> None:
    assert owner.post("/api/terminals", headers=XSRF).status_code == 200
    for path in ("/terminals/websocket/1", "/api/events/subscribe"):
        public = {"Origin": f"https://{PUBLIC_HOST}"}
        with opened(server, path, EMAIL), opened(server, path, {**EMAIL, **REWRITTEN, **public}):
            pass
        for forged in ({}, REWRITTEN):
            evil = {**EMAIL, **forged, "Origin": "https://evil.example"}
            with pytest.raises(InvalidStatus) as refused, opened(server, path, evil):
                pass
            assert refused.value.response.status_code == 403, path


def test_a_terminal_works_through_the_gate(server: GuardedServer, owner: httpx.Client) -> None:
    name = owner.post("/api/terminals", headers=XSRF).json()["name"]
    with opened(server, f"/terminals/websocket/{name}", EMAIL) as terminal:
        terminal.send(json.dumps(["stdin", "echo $((6*7))42\r"]))
        output = ""
        while "4242" not in output:
            kind, *data = json.loads(terminal.recv(timeout=60))
            output += data[0] if kind == "stdout" else ""


def test_handlers_never_see_the_platform_token_and_see_the_public_host(
    server: GuardedServer,
) -> None:
    headers = [*EMAIL.items(), *REWRITTEN.items()]
    headers += [("X-Forwarded-Access-Token", "a-secret"), ("x-forwarded-access-token", "another")]
    seen = httpx.get(f"{server.url}/third-party/plain", headers=headers).json()
    assert seen["Host"] == PUBLIC_HOST
    assert "secret" not in json.dumps(seen)
    assert "another" not in json.dumps(seen)


@pytest.mark.parametrize("host", ["https://evil.example", "a,b", "a/b"])
def test_a_strange_forwarded_host_is_not_believed(owner: httpx.Client, host: str) -> None:
    seen = owner.get("/third-party/plain", headers={"X-Forwarded-Host": host, "Host": "h:1"})
    assert seen.json()["Host"] == "h:1"


# --- while the owner is not known


def test_until_the_owner_is_known_everybody_waits_and_then_the_owner_enters(
    tmp_path: Path,
) -> None:
    api = AppsApi(creator=None)
    with serving_in_a_thread(api) as host:
        variables = {
            "APP_OWNER_EMAIL": "",
            "DATABRICKS_HOST": host,
            "DATABRICKS_CLIENT_ID": "client",
            "DATABRICKS_CLIENT_SECRET": "secret",
        }
        with guarded_server(tmp_path, **variables) as server:
            refused = httpx.get(f"{server.url}/lab", headers=EMAIL)
            assert refused.status_code == 503
            assert int(refused.headers["retry-after"]) > 0
            assert "not known yet" in refused.text
            assert httpx.head(f"{server.url}/lab").status_code == 503
            assert httpx.get(f"{server.url}/dbx-agents/healthz").status_code == 200
            with pytest.raises(InvalidStatus) as answer, opened(server, SOCKETS[2], EMAIL):
                pass
            assert answer.value.response.status_code == 503
            # Once the first look-up has been answered, which comes after the server listens.
            eventually(lambda: "is not known, nobody can enter" in server.log, 30, "a look-up")
            api.creator = OWNER.upper()
            assert status_when_settled(f"{server.url}/api/status", EMAIL) == 200
            assert httpx.get(f"{server.url}/lab").status_code == 403
            assert server.log.count("is not known, nobody can enter") == 1
            assert server.log.count("nobody else can enter") == 1


def status_when_settled(url: str, headers: dict[str, str]) -> int:
    """The first status that is not 503."""
    deadline = time.monotonic() + 60
    while (status := httpx.get(url, headers=headers).status_code) == 503:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return status
