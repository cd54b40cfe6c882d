"""Workspace files, through the real SDK and plain HTTP."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from urllib.parse import quote

import pytest
from databricks.sdk.errors import NotFound, PermissionDenied
from databricks.sdk.errors.base import DatabricksError
from databricks.sdk.service.workspace import ImportFormat, Language, ObjectType

HOME = "/Workspace/Users/owner@example.com"
NOTEBOOK = b"# Databricks notebook source\nprint(1)\n"
IPYNB = json.dumps({"cells": [], "metadata": {}, "nbformat": 4}).encode()


def _import_file(site, path, content, query=""):
    url = f"/api/2.0/workspace-files/import-file/{quote(path, safe='')}{query}"
    return site.call("POST", url, content=content)


def test_a_raw_upload_keeps_bytes_and_name(site):
    client = site.sdk()
    client.workspace.mkdirs(f"{HOME}/p/déep dir")
    for name in ("ü %2F#?.py", "nb.ipynb", "nb.py"):
        path = f"{HOME}/p/déep dir/{name}"
        client.workspace.upload(path, NOTEBOOK + b"\x00\xff", format=ImportFormat.RAW)
        assert client.workspace.download(path, format=None).read() == NOTEBOOK + b"\x00\xff"
        assert client.workspace.get_status(path).object_type is ObjectType.FILE
        assert client.workspace.get_status(path).size == len(NOTEBOOK) + 2
    assert len(list(client.workspace.list(f"{HOME}/p/déep dir"))) == 3
    client.workspace.delete(f"{HOME}/p", recursive=True)
    assert list(client.workspace.list(HOME)) == []


@pytest.mark.parametrize(
    ("name", "content", "stored", "kind"),
    [
        ("a.py", NOTEBOOK, "a", "NOTEBOOK"),
        ("a.py", b"print(1)", "a.py", "FILE"),
        ("a.sql", b"-- Databricks notebook source", "a", "NOTEBOOK"),
        ("a.scala", b"// Databricks notebook source", "a", "NOTEBOOK"),
        ("a.r", b"# Databricks notebook source", "a", "NOTEBOOK"),
        ("a.ipynb", IPYNB, "a", "NOTEBOOK"),
        ("a.designer.ipynb", IPYNB, "a.designer.ipynb", "FILE"),
        ("a.md", NOTEBOOK, "a.md", "FILE"),
    ],
)
def test_auto_creates_notebooks_without_their_extension(site, name, content, stored, kind):
    site.sdk().workspace.upload(f"{HOME}/auto-{name}", content, format=ImportFormat.AUTO)
    assert _import_file(site, f"{HOME}/raw-{name}", content).status_code == 200
    for path in (f"{HOME}/auto-{stored}", f"{HOME}/raw-{stored}"):
        assert site.sdk().workspace.get_status(path).object_type.value == kind


def test_names_with_spaces_at_their_ends_are_names_of_their_own(site):
    path = f"{HOME}/spaces "
    site.sdk().workspace.upload(path, b"1", format=ImportFormat.RAW)
    answer = site.call("GET", "/api/2.0/workspace/get-status", params={"path": path})
    assert answer.json()["path"].endswith("spaces ")
    answer = site.call("GET", "/api/2.0/workspace/get-status", params={"path": path.rstrip()})
    assert answer.status_code == 404


@pytest.mark.parametrize("name", ["a.lvdash.json", "b.dbquery.ipynb", "c.dbalert.ipynb"])
def test_the_platforms_own_objects_are_known_by_their_names(site, name):
    site.sdk().workspace.upload(f"{HOME}/{name}", b"{}", format=ImportFormat.RAW)
    answer = site.call("GET", "/api/2.0/workspace/get-status", params={"path": f"{HOME}/{name}"})
    assert answer.json()["object_type"] in ("DASHBOARD", "QUERY", "ALERT")


def test_source_needs_a_language_and_creates_a_notebook(site):
    client = site.sdk()
    with pytest.raises(DatabricksError, match="language"):
        client.workspace.upload(f"{HOME}/x.txt", b"x")
    client.workspace.upload(f"{HOME}/x", b"select 1", language=Language.SQL)
    assert client.workspace.get_status(f"{HOME}/x").language is Language.SQL


def test_a_broken_notebook_is_rejected(site):
    for content in (b"", b"{", b"[]", b'{"cells": 3}'):
        assert _import_file(site, f"{HOME}/a.ipynb", content).status_code == 400
    assert site.control.files("/Users/owner@example.com/") == []


def test_a_missing_parent_and_a_missing_path_are_404(site):
    with pytest.raises(NotFound, match=r"The parent folder \(.*\) does not exist\."):
        site.sdk().workspace.upload(f"{HOME}/no/a.txt", b"x", format=ImportFormat.RAW)
    for method, verb, options in (
        ("GET", f"get-status?path={HOME}/no", {}),
        ("GET", f"list?path={HOME}/no", {}),
        ("GET", f"export?path={HOME}/no", {}),
        ("POST", "delete", {"json": {"path": f"{HOME}/no"}}),
    ):
        response = site.call(method, f"/api/2.0/workspace/{verb}", **options)
        assert response.status_code == 404, verb
        assert response.json()["message"] == f"Path ({HOME}/no) doesn't exist."


def test_an_existing_file_is_replaced_only_with_overwrite(site):
    client = site.sdk()
    client.workspace.upload(f"{HOME}/a.txt", b"1", format=ImportFormat.RAW)
    object_id = client.workspace.get_status(f"{HOME}/a.txt").object_id
    with pytest.raises(DatabricksError, match="File already exists at") as caught:
        client.workspace.upload(f"{HOME}/a.txt", b"2", format=ImportFormat.RAW)
    assert caught.value.error_code == "RESOURCE_ALREADY_EXISTS"
    assert _import_file(site, f"{HOME}/a.txt", b"2").status_code == 409
    assert _import_file(site, f"{HOME}/a.txt", b"2", "?overwrite=true").status_code == 200
    assert client.workspace.download(f"{HOME}/a.txt").read() == b"2"
    assert client.workspace.get_status(f"{HOME}/a.txt").object_id == object_id


def test_an_object_of_one_kind_does_not_replace_another_kind(site):
    client = site.sdk()
    client.workspace.upload(f"{HOME}/nb.py", NOTEBOOK, format=ImportFormat.AUTO)
    client.workspace.mkdirs(f"{HOME}/dir")
    for name in ("nb", "dir"):
        with pytest.raises(DatabricksError, match="different from the existing node type"):
            client.workspace.upload(f"{HOME}/{name}", b"x", format=ImportFormat.RAW, overwrite=True)
    with pytest.raises(DatabricksError, match="a file exists"):
        client.workspace.mkdirs(f"{HOME}/nb/below")


def test_names_are_case_sensitive(site):
    client = site.sdk()
    for name in ("v.txt", "V.txt"):
        client.workspace.upload(f"{HOME}/{name}", name.encode(), format=ImportFormat.RAW)
    assert client.workspace.download(f"{HOME}/V.txt").read() == b"V.txt"


def test_a_directory_with_content_is_deleted_only_recursively(site):
    client = site.sdk()
    client.workspace.mkdirs(f"{HOME}/d/e")
    with pytest.raises(DatabricksError) as caught:
        client.workspace.delete(f"{HOME}/d")
    assert caught.value.error_code == "DIRECTORY_NOT_EMPTY"
    client.workspace.delete(f"{HOME}/d/e")
    client.workspace.delete(f"{HOME}/d")


@pytest.mark.parametrize(
    "path",
    ["/Users/other@example.com/x", "/Workspace/Shared/x", "/x", "/Users/owner@example.comx/a"],
)
def test_only_the_users_own_home_is_writable(site, path):
    site.control.add_user("other@example.com")
    with pytest.raises(PermissionDenied):
        site.sdk().workspace.mkdirs(path)


@pytest.mark.parametrize(
    "path", ["relative", f"{HOME}/../x", f"{HOME}/.git/config", f"{HOME}/a\nb"]
)
def test_invalid_paths_are_rejected(site, path):
    response = site.call("POST", "/api/2.0/workspace/mkdirs", json={"path": path})
    assert (response.status_code, response.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_the_workspace_prefix_is_optional(site):
    site.sdk().workspace.mkdirs("/Users/owner@example.com/p")
    assert site.sdk().workspace.get_status(f"{HOME}/p").path == "/Users/owner@example.com/p"


def test_size_limits_are_enforced(site):
    content = base64.b64encode(b"x" * (10 * 1024 * 1024 + 1)).decode()
    body = {"path": f"{HOME}/a", "format": "RAW", "content": content}
    response = site.call("POST", "/api/2.0/workspace/import", json=body)
    assert response.json()["error_code"] == "MAX_NOTEBOOK_SIZE_EXCEEDED"
    site.control.switch(max_file_bytes=10)
    response = _import_file(site, f"{HOME}/a", b"x" * 11)
    assert response.json()["message"] == (
        "File size imported is (11 bytes), exceeded max size (10 bytes)"
    )


def test_more_than_ten_megabytes_are_imported_raw_but_not_exported(site):
    size = 11 * 1024 * 1024
    site.sdk().workspace.upload(f"{HOME}/big", b"x" * size, format=ImportFormat.RAW)
    assert site.sdk().workspace.get_status(f"{HOME}/big").size == size
    assert site.call("GET", f"/api/2.0/workspace/export?path={HOME}/big").status_code == 400


def test_an_archive_is_unpacked(site):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("sub/a.txt", "hi")
    assert _import_file(site, f"{HOME}/z.zip", archive.getvalue()).status_code == 200
    assert site.sdk().workspace.download(f"{HOME}/z/sub/a.txt").read() == b"hi"


def test_a_dead_token_and_a_missing_scope_write_nothing(site):
    scoped = site.control.mint("owner@example.com", scopes=["apps"]).token_value
    for token in (scoped, "dapi" + "0" * 32):
        response = site.call("POST", "/api/2.0/workspace/mkdirs", token, json={"path": HOME + "/a"})
        assert response.status_code == 403
    assert site.control.files("/Users/owner@example.com/") == []
