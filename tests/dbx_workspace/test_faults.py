"""Injected faults, and the rest of the control API."""

from __future__ import annotations

import time

import httpx
import pytest

from dbx_workspace.control_client import ControlError

ME = "/api/2.0/preview/scim/v2/Me"
CREATE = "/api/2.0/token/create"


def test_latency_delays_the_response(site):
    site.control.add_fault(ME, "latency", seconds=0.3)
    started = time.monotonic()
    assert site.call("GET", ME).status_code == 200
    assert time.monotonic() - started >= 0.3


@pytest.mark.parametrize("retry_after", ["7", None])
def test_a_429_may_have_retry_after(site, retry_after):
    site.control.add_fault("/api/", "429", retry_after=retry_after, times=2)
    for _ in range(2):
        response = site.call("GET", ME)
        assert response.status_code == 429
        assert response.headers.get("Retry-After") == retry_after
        assert response.json()["error_code"] == "REQUEST_LIMIT_EXCEEDED"
    assert site.call("GET", ME).status_code == 200
    assert site.control.faults()[0]["used_count"] == 2


def test_a_status_has_the_platforms_error_body(site):
    site.control.add_fault(ME, "status", status=503, error_code="TEMPORARILY_UNAVAILABLE")
    response = site.call("GET", ME)
    assert (response.status_code, response.json()["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")


@pytest.mark.parametrize(("kind", "tokens"), [("drop_before", 0), ("drop_after", 1)])
def test_a_dropped_request_is_handled_or_not(site, kind, tokens):
    site.control.add_fault(CREATE, kind, method="POST")
    with pytest.raises(httpx.RemoteProtocolError):
        site.call("POST", CREATE, json={"comment": "lost"})
    assert [t["comment"] for t in site.control.tokens()].count("lost") == tokens
    entry = site.control.requests(path=CREATE)[0]
    assert (entry["outcome"], entry["fault"]) == ("dropped", kind)


def test_a_late_response_is_sent_well_after_the_effect(site):
    site.control.add_fault(CREATE, "late", seconds=60, times=1)
    with pytest.raises(httpx.ReadTimeout):
        site.call("POST", CREATE, json={"comment": "late"}, timeout=0.5)
    assert [t["comment"] for t in site.control.tokens()].count("late") == 1
    site.control.add_fault(CREATE, "late", seconds=0.1)
    assert site.call("POST", CREATE, json={"comment": "late"}).json()["token_value"]


def test_a_late_error_is_sent_once_and_late(site, caplog):
    site.control.add_fault("/api/2.0/workspace", "late", seconds=0.3)
    started = time.monotonic()
    answer = site.call("GET", "/api/2.0/workspace/get-status?path=/Shared/nothing")
    assert answer.status_code == 403 and time.monotonic() - started >= 0.3
    assert site.call("GET", ME).status_code == 200
    assert "finish" not in caplog.text


def test_a_stream_is_cut_off_in_the_middle(site):
    site.control.add_fault("/anthropic", "drop_stream", after_frames=4, times=1)
    content = "stream: 9 chunks every 1 ms"
    body = {
        "model": "databricks-claude-opus-4-7",
        "stream": True,
        "messages": [{"role": "user", "content": content}],
    }
    with pytest.raises(httpx.RemoteProtocolError):
        site.call("POST", "/anthropic/v1/messages", json=body)
    assert "end of stream" in site.call("POST", "/anthropic/v1/messages", json=body).text


def test_a_hang_ends_when_the_client_leaves(site):
    site.control.add_fault(ME, "hang")
    with pytest.raises(httpx.ReadTimeout):
        site.call("GET", ME, timeout=0.2)
    site.control.wait_for(
        lambda c: c.requests(path=ME)[0]["outcome"] == "client_gone", "the client leave"
    )


def test_faults_apply_only_to_what_they_match_and_can_be_cleared(site):
    fault_id = site.control.add_fault("^/api/.*/Me$", "status", method="GET")
    assert site.call("GET", ME).status_code == 500
    assert site.call("GET", "/api/2.0/token/list").status_code == 200
    site.control.clear_faults(fault_id)
    assert site.call("GET", ME).status_code == 200


@pytest.mark.parametrize(
    "fault",
    [{"kind": "flood"}, {"kind": "status", "nonsense": 1}, {"kind": "status", "match": "^("}],
)
def test_an_invalid_fault_is_rejected_and_not_added(site, fault):
    with pytest.raises(ControlError, match="400"):
        site.control._call("POST", "/faults", {"match": "/", **fault})
    assert site.control.faults() == []


def test_an_invalid_switch_changes_nothing(site):
    before = site.control.switches()
    for change in ({"gateway": False}, {"token_id_scheme": "md5"}, {"token_quota": "many"}):
        with pytest.raises(ControlError, match="400"):
            site.control.switch(gateway_present=False, **change)
    assert site.control.switches() == before


def test_the_log_has_each_request_and_its_token(site):
    last_number = site.control.requests()[-1]["number"] if site.control.requests() else 0
    sample = site.control.mint("owner@example.com")
    site.call("GET", ME + "?a=1", sample.token_value)
    (entry,) = site.control.requests(since=last_number)
    assert entry["token_id"] == sample.token_id
    assert entry["principal"] == "owner@example.com"
    assert (entry["method"], entry["path"], entry["query"]) == ("GET", ME, "a=1")
    assert (entry["status"], entry["outcome"]) == (200, "answered")
