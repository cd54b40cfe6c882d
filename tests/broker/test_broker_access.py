"""The broker's security invariants, in the order of its docstring."""

import asyncio
import logging
from pathlib import Path

import pytest

from jupyter_dbx_agents.broker.call import Call
from jupyter_dbx_agents.broker.ledger import printable_path
from jupyter_dbx_agents.pat import PatState

from .scripted_gateway import (
    FIRST_PAT,
    MESSAGES,
    NEXT_PAT,
    Exchange,
    Pats,
    answer_ok,
    broker_for,
    refusing,
    until,
)

LISTENING = "0A"  # the state in /proc/net/tcp
LOOPBACK_HEX = "0100007F"
NOT_A_SECRET = "n0t-the-secret"


def test_the_broker_listens_on_loopback_only():
    async def run() -> None:
        async with broker_for(answer_ok) as site:
            addresses = [
                line.split()[1].split(":")[0]
                for table in ("/proc/net/tcp", "/proc/net/tcp6")
                for line in Path(table).read_text().splitlines()[1:]
                if line.split()[3] == LISTENING
                and int(line.split()[1].split(":")[1], 16) == site.broker.port
            ]
            assert addresses == [LOOPBACK_HEX]

    asyncio.run(run())


@pytest.mark.parametrize(
    "header", ["Authorization: Bearer {}", "x-api-key: {}", "X-Goog-Api-Key: {}"]
)
def test_a_capability_is_taken_in_any_header_that_agents_use(header):
    async def run() -> None:
        async with broker_for(answer_ok) as site:
            answer = await call(site, header.format(site.capability), "authorization: Bearer stray")
            assert answer.startswith(b"HTTP/1.1 200")

    asyncio.run(run())


@pytest.mark.parametrize(
    ("path", "header"),
    [
        (MESSAGES, "X-None: 1"),
        (MESSAGES, f"x-api-key: {NOT_A_SECRET}"),
        (MESSAGES, "Authorization: Bearer "),
        (MESSAGES, f"Authorization: Bearer {FIRST_PAT}"),
        (MESSAGES + "?key={}", "X-None: 1"),
        (MESSAGES, "Cookie: key={}"),
        ("/gemini/v1beta/models/m:generateContent?key={}", "X-None: 1"),
        ("/openai/v1/responses", "X-None: 1"),
    ],
)
def test_no_call_is_forwarded_without_a_capability_and_one_in_a_url_is_none(path, header):
    async def run() -> None:
        async with broker_for(answer_ok) as site:
            answer = await call(
                site, header.format(site.capability), path=path.format(site.capability)
            )
            assert answer.startswith(b"HTTP/1.1 401")
            assert b"lacks the secret" in answer
            assert site.gateway.seen == []

    asyncio.run(run())


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:{}", "127.0.0.1", "127.0.0.1:1", "[::1]:{}", "127.0.0.1.x:{}"],
)
@pytest.mark.parametrize("path", [MESSAGES, "metadata"])
def test_dns_rebinding_is_refused(host, path):
    async def run() -> None:
        async with broker_for(answer_ok) as site:
            target = site.broker.shared.metadata_path.reveal() if path == "metadata" else path
            answer = await call(site, key(site), host=host.format(site.broker.port), path=target)
            assert answer.startswith(b"HTTP/1.1 403")
            assert FIRST_PAT.encode() not in answer
            assert site.gateway.seen == []

    asyncio.run(run())


def test_localhost_is_a_name_of_the_broker():
    async def run() -> None:
        async with broker_for(answer_ok) as site:
            answer = await call(site, key(site), host=f"localhost:{site.broker.port}")
            assert answer.startswith(b"HTTP/1.1 200")

    asyncio.run(run())


@pytest.mark.parametrize(
    "header",
    ["Origin: https://evil.example", "Origin: null", "Sec-Fetch-Site: cross-site"],
)
@pytest.mark.parametrize("path", [MESSAGES, "metadata"])
def test_a_web_page_is_refused(header, path):
    async def run() -> None:
        async with broker_for(answer_ok) as site:
            target = site.broker.shared.metadata_path.reveal() if path == "metadata" else path
            answer = await call(site, key(site), header, path=target)
            assert answer.startswith(b"HTTP/1.1 403")
            assert b"access-control" not in answer.lower()
            assert site.gateway.seen == []

    asyncio.run(run())


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/v1/messages",
        "/anthropic/v1/messages/",
        "/anthropic/v1/complete",
        "/anthropic/../anthropic/v1/messages",
        "/anthropic/v1/%2e%2e/messages",
        "/anthropic%2Fv1/messages",
        "/anthropic/v1/messages%3Fa",
        "//evil.example/anthropic/v1/messages",
        "http://evil.example/anthropic/v1/messages",
        "/gemini/v1beta/models/../x:generateContent",
        "/gemini/v1beta/models/a/b:generateContent",
        "/gemini/v1beta/models/..:generateContent",
        "/gemini/v1beta/models/m:deleteEverything",
        "/gemini/v1beta/models/m:generateContent/x",
        "/openai/v1/files",
        "/api/2.0/token/create",
        "/metadata/guess",
        "/api/tags",
    ],
)
def test_an_unknown_path_is_answered_at_once_and_not_forwarded(target):
    async def run() -> None:
        async with broker_for(answer_ok) as site:
            answer = await call(site, key(site), path=target)
            assert answer.startswith(b"HTTP/1.1 404")
            assert b"application/json" in answer
            assert site.gateway.seen == []

    asyncio.run(run())


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE"])
def test_a_known_path_is_forwarded_with_its_method_only(method):
    async def run() -> None:
        async with broker_for(answer_ok) as site:
            answer = await call(site, key(site), method=method)
            assert answer.split()[1] in (b"404", b"405")
            assert site.gateway.seen == []

    asyncio.run(run())


@pytest.mark.parametrize("path", ["/anthropic", "/anthropic/api/hello"])
def test_a_greeting_is_answered_without_a_capability(path):
    async def run() -> None:
        async with broker_for(answer_ok, Pats(state=PatState.NEEDED)) as site:
            answer = await call(site, "X-None: 1", method="HEAD", path=path)
            assert answer.startswith(b"HTTP/1.1 200")

    asyncio.run(run())


def test_credentials_and_forwarding_headers_never_leave():
    barred = [
        "authorization: Bearer stray",
        "x-goog-api-key: stray",
        "api-key: stray",
        "x-databricks-ai-gateway-token: stray",
        "cookie: session=stray",
        "proxy-authorization: stray",
        "x-forwarded-for: 1.2.3.4",
        "x-forwarded-email: stray@example.com",
        "forwarded: for=1.2.3.4",
        "x-real-ip: 1.2.3.4",
        "te: trailers",
        "upgrade: h2c",
        "x-nominated: stray",
        "accept-encoding: br",
        "sec-fetch-mode: cors",
    ]

    async def run() -> None:
        async with broker_for(answer_ok) as site:
            names = [f"{name}: {i}" for i, name in enumerate(("anthropic-beta", "x-stainless-os"))]
            reader, writer = await site.open()
            lines = [f"POST {MESSAGES} HTTP/1.1", f"Host: {site.authority}", "Content-Length: 2"]
            lines += [key(site), "Connection: keep-alive, X-Nominated", *barred, *names, "", "{}"]
            writer.write("\r\n".join(lines).encode())
            assert b" 200 " in await reader.readuntil(b"{}")
            writer.close()
            (seen,) = site.gateway.seen
            received = {name.lower(): value for name, value in seen.headers}
            assert received == {
                "host": site.gateway.url.removeprefix("http://"),
                "authorization": f"Bearer {FIRST_PAT}",
                "accept-encoding": "identity",
                "content-length": "2",
                "anthropic-beta": "0",
                "x-stainless-os": "1",
            }
            assert len(seen.headers) == len(received)

    asyncio.run(run())


def test_no_cookie_and_no_header_about_another_origin_comes_back():
    async def answer(exchange: Exchange) -> None:
        await exchange.reply(
            200,
            b"{}",
            set_cookie="session=1",
            location="http://evil.example",
            alt_svc='h3=":443"',
            access_control_allow_origin="*",
            strict_transport_security="max-age=1",
            connection="keep-alive, x-hop",
            x_hop="1",
            x_request_id="r1",
        )

    async def run() -> None:
        async with broker_for(answer) as site:
            reply = await site.agent.post(MESSAGES)
            assert dict(reply.headers) == {"content-length": "2", "x-request-id": "r1"}
            await site.agent.post(MESSAGES)
            assert site.gateway.seen[1].header("cookie") is None

    asyncio.run(run())


def test_no_secret_header_or_body_is_logged_at_any_level(caplog):
    caplog.set_level(logging.DEBUG)

    async def run() -> set[str]:
        async with broker_for(refusing(401, b"reply-body")) as site:
            await call(site, key(site), path=f"{MESSAGES}?query=1", body="request-body")
            await call(site, key(site), path="/unknown", body="request-body")
            await call(site, f"x-api-key: {NOT_A_SECRET}")
            await call(site, key(site), path=f"/metadata/{NOT_A_SECRET}")
            await call(site, key(site), path=f"{site.broker.url}/metadata/{NOT_A_SECRET}")
            await call(site, key(site), path=site.broker.shared.metadata_path.reveal())
            site.pats.tokens = ["dapi\nbroken"]  # not to be sent, and not to be shown
            assert (await call(site, key(site))).startswith(b"HTTP/1.1 503")
            return {
                site.capability,
                site.broker.shared.metadata_path.reveal().removeprefix("/metadata/"),
                FIRST_PAT,
                NEXT_PAT,
                NOT_A_SECRET,
                "broken",
                "query=1",
                "request-body",
                "reply-body",
            }

    secrets = asyncio.run(run())
    assert [secret for secret in secrets if secret in caplog.text] == []
    assert "claude-code anthropic POST /anthropic/v1/messages -> 200" in caplog.text


def test_each_call_has_one_line_with_its_outcome(caplog):
    caplog.set_level(logging.INFO)
    cut = asyncio.Event()

    async def answer(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.chunk(b"12345")
        await cut.wait()
        exchange.drop()

    async def run() -> None:
        async with broker_for(answer) as site:
            reader, writer = await site.open()
            capability = site.broker.capability("codex").reveal()
            head = f"POST /openai/v1/responses HTTP/1.1\r\nHost: {site.authority}\r\n"
            writer.write(f"{head}x-api-key: {capability}\r\nContent-Length: 3\r\n\r\nabc".encode())
            await reader.readuntil(b"12345")
            cut.set()
            await reader.read()
            writer.close()
            await until(lines)

    def lines() -> list[str]:
        return [r.getMessage() for r in caplog.records if r.getMessage().startswith("broker: ")]

    asyncio.run(run())
    (line,) = lines()
    assert "codex responses POST /openai/v1/responses -> 200 (gateway broke off" in line
    assert line.endswith("in 3 B, out 5 B")


def test_a_path_in_the_log_is_short_and_plain():
    assert printable_path("/a\x1b[31m\xff") == "/a?[31m?"
    assert len(printable_path("/" + "a" * 10_000)) < 130
    assert printable_path("/metadata/secret") == printable_path("http://x/metadata/y")
    assert Call("GET", "/").status == 0


def key(site) -> str:
    return f"x-api-key: {site.capability}"


async def call(
    site,
    *headers: str,
    method: str = "POST",
    path: str = MESSAGES,
    host: str = "",
    body: str = "{}",
) -> bytes:
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: {host or site.authority}",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    return await site.raw("\n".join([*lines, *headers, "", body]))
