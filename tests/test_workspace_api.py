"""What the workspace's replies say, in whichever shape they come."""

from __future__ import annotations

import pytest

from jupyter_dbx_agents.workspace_api import ErrorBody, is_token_refusal, read_error


@pytest.mark.parametrize(
    ("body", "read"),
    [
        (b'{"error_code": "QUOTA_EXCEEDED", "message": "full"}', ("full", "QUOTA_EXCEEDED")),
        (
            b'{"error_code": 403, "message": "Invalid access token"}',
            ("Invalid access token", "403"),
        ),
        (b'{"error": "invalid_client", "error_description": "unknown"}', ("unknown", "")),
        (b'{"error": "not found"}', ("not found", "")),
        (b'{"type": "error", "error": {"type": "x", "message": "overloaded"}}', ("overloaded", "")),
        (b'{"error": {"code": 400}}', ("", "")),
        (b'"plain"', ("plain", "")),
        (b"[1]", ("", "")),
        (b"<html>Bad Gateway</html>", ("", "")),
        (b"\xff\xfe\x00", ("", "")),
        (b"", ("", "")),
    ],
)
def test_an_error_body_is_read_in_every_shape(body: bytes, read: tuple[str, str]):
    assert read_error(body) == ErrorBody(*read)


@pytest.mark.parametrize(
    ("status", "message", "is_refused"),
    [
        (401, "", True),
        (400, "Invalid Token", True),
        (400, "The file invalid token.md cannot be written.", False),
        (403, "The file Invalid Token.md is not yours.", False),
    ],
)
def test_a_message_that_names_a_file_refuses_no_token(status, message, is_refused):
    assert is_token_refusal(status, message) is is_refused
