"""A response is parsed the same however it is cut, and not at all if its end is ambiguous."""

import pytest

from jupyter_dbx_agents.broker.response_parts import (
    MAX_HEAD_BYTES,
    MAX_LINE_BYTES,
    ChunkedBody,
    EndlessBody,
    Head,
    MalformedResponseError,
    SizedBody,
    take_head,
)

CHUNKED = b"5\r\nhello\r\nA;name=value\r\n, world\r\n!\r\n0\r\nX-Trailer: 1\r\n\r\n"
CONTENT = b"hello, world\r\n!"


def head(*lines: str, status: str = "HTTP/1.1 200 OK") -> Head:
    found = take_head(bytearray("\r\n".join([status, *lines, "", ""]).encode()))
    assert found is not None
    return found


@pytest.mark.parametrize("size", range(1, len(CHUNKED) + 1))
def test_a_chunked_body_is_the_same_however_it_is_cut(size):
    body, buffer, content = ChunkedBody(), bytearray(), b""
    for start in range(0, len(CHUNKED), size):
        assert not body.complete
        buffer += CHUNKED[start : start + size]
        content += body.take(buffer)
    assert body.complete
    assert content == CONTENT
    assert not buffer


@pytest.mark.parametrize("cut", range(len(CHUNKED)))
def test_a_chunked_body_that_is_cut_short_is_not_complete(cut):
    body = ChunkedBody()
    body.take(bytearray(CHUNKED[:cut]))
    assert not body.complete


def test_what_follows_a_body_is_left_alone():
    for body, data in ((ChunkedBody(), CHUNKED), (SizedBody(5), b"hello")):
        buffer = bytearray(data + b"HTTP/1.1 408 X")
        body.take(buffer)
        assert body.complete
        assert buffer == b"HTTP/1.1 408 X"


@pytest.mark.parametrize(
    "data",
    [
        b"x\r\n",
        b"-1\r\n",
        b"0x5\r\n",
        b"\r\n",
        b"5\r\nhello!\r\n",
        b"1" * 17 + b"\r\n",
        b"5" * MAX_LINE_BYTES,
    ],
)
def test_a_malformed_chunk_is_an_error(data):
    with pytest.raises(MalformedResponseError):
        ChunkedBody().take(bytearray(data))


@pytest.mark.parametrize(
    ("lines", "kind"),
    [
        (["Content-Length: 5"], SizedBody),
        (["Content-Length: 5", "Content-Length: 5"], SizedBody),
        (["Transfer-Encoding: Chunked"], ChunkedBody),
        ([], EndlessBody),
    ],
)
def test_the_end_of_a_body_is_told_by_its_head(lines, kind):
    assert isinstance(head(*lines).body(), kind)


@pytest.mark.parametrize(
    "lines",
    [
        ["Content-Length: 5", "Content-Length: 6"],
        ["Content-Length: 5", "Transfer-Encoding: chunked"],
        ["Content-Length: -5"],
        ["Content-Length: +5"],
        ["Content-Length: five"],
        ["Content-Length: ²"],
        ["Transfer-Encoding: gzip, chunked"],
        ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
    ],
)
def test_two_ends_of_a_body_or_none_are_an_error(lines):
    with pytest.raises(MalformedResponseError):
        head(*lines).body()


def test_an_answer_without_content_has_an_empty_body():
    assert head("Transfer-Encoding: chunked", status="HTTP/1.1 204 No").body().complete
    assert head("Content-Length: 0").body().complete


@pytest.mark.parametrize(
    ("status", "lines", "keeps_alive"),
    [
        ("HTTP/1.1 200 OK", [], True),
        ("HTTP/1.1 200 OK", ["Connection: x, Close"], False),
        ("HTTP/1.0 200 OK", ["Connection: keep-alive"], False),
    ],
)
def test_a_connection_is_kept_only_if_both_ends_do(status, lines, keeps_alive):
    assert head(*lines, status=status).keeps_alive is keeps_alive


@pytest.mark.parametrize("data", [b"nonsense\r\n\r\n", b"HTTP/1.1 OK\r\n\r\n", b"\r\n\r\n"])
def test_what_is_no_http_is_an_error(data):
    with pytest.raises(MalformedResponseError):
        take_head(bytearray(data))


def test_a_head_has_a_limit():
    assert take_head(bytearray(b"HTTP/1.1 200 OK\r\nA: ")) is None
    with pytest.raises(MalformedResponseError):
        take_head(bytearray(b"x" * (MAX_HEAD_BYTES + 1)))
