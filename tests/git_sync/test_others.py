"""What is not ours in the workspace stays; what is ours comes back."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import shutil
import unicodedata
from datetime import timedelta
from typing import Any

import pytest

from dbx_workspace.rest import files
from jupyter_dbx_agents.errors import DestinationError, WorkspaceError, WorkspacePermissionError
from jupyter_dbx_agents.git_sync.apply import COLLIDES, CONVERTED, FOREIGN
from jupyter_dbx_agents.git_sync.local.objects import Content

from .conftest import ROOT, Killed, Site, marker_of
from .test_git_sync import synced


def edits(site: Site) -> list[bytes]:
    """What was kept of the project p, the oldest first."""
    records = sorted(site.remote(".dbx-agents/p").items())
    return [content for path, content in records if path.startswith("edited/")]


def kept(site: Site, name: str) -> set[str]:
    """The commits that only the mirror or the workspace had."""
    return set(site.git(name, "for-each-ref", "--format=%(objectname)", "refs/dbx").splitlines())


async def test_a_folder_with_something_else_in_it_is_refused_until_taken_over(site: Site) -> None:
    site.put_foreign("p/theirs", b"t")
    site.put_foreign("p/a", b"theirs too")
    site.make("p", a="1")
    with pytest.raises(DestinationError, match="not of this project"):
        await site.project_sync("p").run()
    assert site.remote("p") == {"theirs": b"t", "a": b"theirs too"}
    await site.project_sync("p").run(takes_over=True)
    assert site.remote("p") == {"a": b"1"}
    assert sorted(edits(site)) == [b"t", b"theirs too"]


async def test_another_repository_of_the_same_name_is_refused_until_taken_over(site: Site) -> None:
    site.make("p", a="1", b="2")
    await site.project_sync("p").run()
    shutil.rmtree(site.projects / "p")
    site.make("p", c="3")
    with pytest.raises(DestinationError, match="another repository"):
        await site.project_sync("p").run()
    assert site.remote("p") == {"a": b"1", "b": b"2"}
    await site.project_sync("p").run(takes_over=True)
    assert site.remote("p") == {"c": b"3"}
    assert sorted(edits(site)) == [b"1", b"2"]


async def test_another_app_is_refused_and_a_new_one_may_take_over(site: Site) -> None:
    site.make("p", a="1")
    first = site.project_sync("p")
    await first.run()
    other = site.project_sync("p", origin="other app")
    with pytest.raises(DestinationError, match="in app"):
        await other.run()
    await other.run(takes_over=True)
    site.commit("p", {"a": "2"})
    await other.run()
    site.commit("p", {"a": "3"})
    with pytest.raises(DestinationError, match="in other app"):
        await first.run()
    assert site.remote("p") == {"a": b"2"}


async def test_an_app_without_a_name_is_called_another_app(site: Site) -> None:
    site.make("p", a="1")
    await site.project_sync("p", origin="").run()
    with pytest.raises(DestinationError, match="the same project in another app"):
        await site.project_sync("p").run()


async def test_foreign_files_are_neither_overwritten_nor_deleted(site: Site) -> None:
    site.make("p", a="1")
    sync = site.project_sync("p")
    await sync.run()
    site.put_foreign("p/notes", b"theirs")
    site.put_foreign("p/d", b"theirs")
    site.put_foreign("p/e/theirs", b"theirs")
    site.put_foreign("p/nb", b"theirs", kind="NOTEBOOK")
    site.commit("p", {"notes": "ours", "d/x": "ours", "e": "ours", "nb": "ours", "b": "2"})
    await sync.run()
    theirs = {"notes": b"theirs", "d": b"theirs", "e/theirs": b"theirs", "nb": b"theirs"}
    assert site.remote("p") == {"a": b"1", "b": b"2", **theirs}
    assert marker_of(sync).skipped.keys() == {"notes", "d/x", "e", "nb"}
    assert marker_of(sync).skipped["notes"] == FOREIGN
    site.commit("p", {"notes": "ours 2"})
    await sync.run()
    for path in ("notes", "d/x", "e", "nb"):
        site.git("p", "rm", "-q", path)
    site.commit("p", {})
    await sync.run()
    assert site.remote("p") == {"a": b"1", "b": b"2", **theirs}
    assert marker_of(sync).skipped == {}


async def test_a_foreign_file_with_the_name_of_a_folder_of_ours_stays(site: Site) -> None:
    site.make("p")
    site.commit("p", {"a": "1", "was/x": "2"})
    await site.project_sync("p").run()
    site.delete_foreign("p/was", recursive=True)
    theirs = {"was": b"theirs", "d": b"theirs"}
    for path, content in theirs.items():
        site.put_foreign(f"p/{path}", content)
    site.commit("p", {"d/x": "ours", "was/x": None})
    for dies_at in range(1, 9):
        site.transport.dies_at = dies_at
        with contextlib.suppress(Killed):
            await site.project_sync("p").run()
        site.connect()
    site.commit("p", {"d/x": None})
    await site.project_sync("p").run()
    assert site.remote("p") == {"a": b"1", **theirs}


async def test_a_foreign_file_that_went_away_makes_room_at_the_next_look(site: Site) -> None:
    site.make("p", a="1")
    sync = site.project_sync("p")
    await sync.run()
    site.put_foreign("p/notes", b"theirs")
    site.commit("p", {"notes": "ours"})
    await sync.run()
    site.delete_foreign("p/notes")
    await sync.run(audits=True)
    assert site.remote("p") == {"a": b"1", "notes": b"ours"}


async def test_a_removed_folder_is_written_anew(site: Site) -> None:
    site.make("p")
    site.commit("p", {"a": "1", "d/b": "2", "d/c": "3"})
    sync = site.project_sync("p")
    await sync.run()
    site.delete_foreign("p/d", recursive=True)
    site.commit("p", {"d/b": "changed"})
    await sync.run()
    await sync.run()  # it met a folder that was gone, and so looks at all of them
    assert site.remote("p") == {"a": b"1", "d/b": b"changed", "d/c": b"3"}
    site.delete_foreign("p", recursive=True)
    await site.project_sync("p").run()
    assert site.remote("p") == {"a": b"1", "d/b": b"changed", "d/c": b"3"}


async def test_an_edit_in_the_workspace_is_kept_before_a_repair(site: Site) -> None:
    site.make("p")
    site.commit("p", {"a": "1", "d/b": "2", "c": "3"})
    sync = site.project_sync("p")
    await sync.run()
    site.put_foreign("p/d/b", b"edited by hand")
    site.delete_foreign("p/a")
    await sync.run(audits=True)
    assert site.remote("p") == {"a": b"1", "d/b": b"2", "c": b"3"}
    kept = {p: c for p, c in site.remote(".dbx-agents/p").items() if p.startswith("edited/")}
    assert list(kept.values()) == [b"edited by hand"]
    [(path, note)] = marker_of(sync).notes.items()
    assert path == "d/b" and next(iter(kept)) in note
    await sync.run(audits=True)
    assert marker_of(sync).notes == {}


async def test_an_edit_is_kept_before_a_commit_overwrites_or_deletes_it(site: Site) -> None:
    site.make("p")
    site.commit("p", {"a": "12345", "d/b": "2", "d/c": "3"})
    sync = site.project_sync("p")
    await sync.run()
    for number in range(2):
        site.put_foreign("p/a", b"edit %d" % number)
        site.commit("p", {"a": f"again {number}"})
        await sync.run()
    site.put_foreign("p/d/b", b"edited, too")
    site.commit("p", {"d/b": None})
    await site.project_sync("p").run()  # after a restart
    assert site.remote("p") == {"a": b"again 1", "d/c": b"3"}
    assert edits(site) == [b"edit 0", b"edit 1", b"edited, too"]


async def test_a_server_that_starts_overwrites_no_edit(site: Site) -> None:
    site.make("p", a="1", b="2")
    await site.project_sync("p").run()
    large = b"x" * (11 * 1024 * 1024)
    site.put_foreign("p/a", large)
    site.put_foreign("p/b", b"edited")
    await site.project_sync("p").run(audits=True)
    site.put_foreign("p/b", b"edited again")
    site.commit("p", {"a": "3", "b": "4"})
    await site.project_sync("p").run()
    await site.project_sync("p").run()
    assert site.remote("p") == {"a": large, "b": b"4"}
    assert edits(site) == [b"edited", b"edited again"]
    site.git("p", "rm", "-q", "a")
    site.commit("p", {})
    await site.project_sync("p").run()
    assert site.remote("p") == {"a": large, "b": b"4"}


async def let_a_minute_pass(site: Site) -> None:
    """Let what was written to p until now have been written a minute ago."""
    destination = site.project_sync("p").destination
    marker = await destination.load()
    assert marker is not None
    await destination.write(dataclasses.replace(marker, audited_ms=marker.audited_ms - 60_000))
    for node in site.workspace.files.all():
        node.modified_at -= timedelta(minutes=1)


async def test_a_repair_by_a_server_that_did_not_write_the_files_keeps_edits(site: Site) -> None:
    site.make("p", a="1", b="2")
    await site.project_sync("p").run()
    site.put_foreign("p/a", b"edited")
    await let_a_minute_pass(site)
    await site.project_sync("p").run(audits=True)
    assert site.remote("p") == {"a": b"1", "b": b"2"}
    assert edits(site) == [b"edited"]


async def test_an_edit_between_two_parts_of_a_first_pass_is_kept(site: Site) -> None:
    site.make("p", **{f"f{number}": "1" for number in range(9)})
    site.transport.dies_at = 16  # after a checkpoint
    with pytest.raises(Killed):
        await site.project_sync("p", parallel=1).run()
    site.connect()
    site.put_foreign("p/f0", b"edited")
    await let_a_minute_pass(site)
    await site.project_sync("p").run()
    assert site.remote("p")["f0"] == b"edited", "what is done is not done again"
    site.commit("p", {"f0": "2"})
    await site.project_sync("p").run()
    assert site.remote("p")["f0"] == b"2"
    assert edits(site) == [b"edited"]


async def test_a_file_that_was_written_and_not_edited_is_read_once_at_most(site: Site) -> None:
    site.make("p", a="1", b="1")
    await site.project_sync("p").run()
    sync = site.project_sync("p")
    for number in range(3):
        site.commit("p", {"a": f"2.{number}"})
        await sync.run()
    requests = site.workspace.requests.since(0, "/api/2.0/workspace/export")
    assert (
        len([each for each in requests if each.query.startswith("path=") and "p%2Fa" in each.query])
        <= 1
    )


async def test_a_file_that_cannot_be_deleted_is_named_and_deleted_later(site: Site) -> None:
    site.make("p", a="1", b="2")
    sync = site.project_sync("p")
    await sync.run()
    locked = {"status": 400, "error_code": "INVALID_STATE", "message": "The file is locked."}
    site.fault("status", "/api/2.0/workspace/delete", **locked)
    site.commit("p", {"a": None})
    await sync.run()
    assert "The file is locked." in marker_of(sync).notes["a"]
    site.commit("p", {"b": "3"})
    await sync.run(audits=True)
    assert site.remote("p") == {"a": b"1", "b": b"3"} and "a" in marker_of(sync).notes
    site.workspace.faults.clear()
    await sync.run(audits=True)
    assert site.remote("p") == {"b": b"3"} and marker_of(sync).notes == {}


async def test_a_file_that_could_not_be_deleted_is_ours_when_it_is_added_again(site: Site) -> None:
    site.make("p", a="1", b="2")
    await site.project_sync("p").run()
    site.fault("status", "/api/2.0/workspace/delete", status=400, message="Locked.", times=1)
    site.commit("p", {"a": None})
    await site.project_sync("p").run()
    site.commit("p", {"a": "again"})
    sync = site.project_sync("p")
    await sync.run()
    assert site.remote("p") == {"a": b"again", "b": b"2"}
    assert marker_of(sync).skipped == {} == marker_of(sync).notes


async def test_a_take_over_keeps_what_it_replaces_and_removes_the_rest(site: Site) -> None:
    site.make("p")
    site.commit("p", {"a": "1", "only-in-old": "x", "d/old": "y"})
    await site.project_sync("p").run()
    site.put_foreign(".dbx-agents/p/before-of-0.1.0.json", b"{}")
    site.put_foreign("p/nb", b"theirs", kind="NOTEBOOK")
    former = site.bundles("p")
    shutil.rmtree(site.home)
    site.projects.mkdir(parents=True)
    site.make("p", a="new repository")
    for dies_at in (3, 7, 12):
        site.transport.dies_at = dies_at
        with contextlib.suppress(Killed):
            await site.project_sync("p").run(takes_over=dies_at == 3)
        site.connect()
    sync = site.project_sync("p")
    await sync.run(takes_over=True)
    assert site.remote("p") == {"a": b"new repository", "nb": b"theirs"}
    assert site.remote_folders("p") == set()
    assert sorted({*edits(site)}) == [b"1", b"x", b"y"]
    assert not {*former, "before-of-0.1.0.json"} & site.remote(".dbx-agents/p").keys()
    assert marker_of(sync).notes["nb"] == FOREIGN
    shutil.rmtree(site.projects / "p")
    await site.restorer().restore("p")
    assert [path.name for path in (site.projects / "p").glob("[!.]*")] == ["a"]


async def test_a_take_over_of_the_same_repository_writes_only_what_differs(site: Site) -> None:
    site.make("p")
    site.commit("p", {f"f{number}": str(number) for number in range(20)})
    await site.project_sync("p").run()
    site.put_foreign("p/notes", b"theirs")
    site.transport.count = 0
    await site.project_sync("p", origin="other app").run(takes_over=True)
    assert "notes" not in site.remote("p") and edits(site) == [b"theirs"]
    assert site.transport.count < 20


class Folded(dict[str, Any]):
    """The nodes of a workspace that does not distinguish case."""

    def _key(self, key: object) -> Any:
        return next((k for k in self if k.casefold() == str(key).casefold()), key)

    def __getitem__(self, key: str) -> Any:
        return super().__getitem__(self._key(key))

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(self._key(key), value)

    def __delitem__(self, key: str) -> None:
        super().__delitem__(self._key(key))

    def __contains__(self, key: object) -> bool:
        return super().__contains__(self._key(key))

    def get(self, key: str, default: Any = None) -> Any:
        return super().get(self._key(key), default)


async def test_a_project_renamed_by_case_only_keeps_its_copy_where_both_names_are_one(
    site: Site,
) -> None:
    site.workspace.files._nodes = Folded(site.workspace.files._nodes)
    site.make("API", a="1")
    head = site.git("API", "rev-parse", "HEAD")
    sync = site.git_sync()
    await sync.start()
    await synced(site, sync, "API")
    (site.projects / "API").rename(site.projects / "api")
    await synced(site, sync, "api")
    await sync.stop(10)
    shutil.rmtree(site.home)
    site.projects.mkdir(parents=True)
    site.connect()
    [restored] = await site.git_sync().restore()
    assert site.git(restored.name, "rev-parse", "HEAD") == head


async def test_names_that_differ_in_case_only_are_named_once(site: Site) -> None:
    site.workspace.files._nodes = Folded(site.workspace.files._nodes)
    site.make("p")
    site.commit("p", {"File": "upper", "file": "lower"})
    sync = site.project_sync("p")
    await sync.run()
    [(path, reason)] = marker_of(sync).skipped.items()
    assert path in ("File", "file") and reason == COLLIDES
    site.transport.count = 0
    await sync.run(audits=True)
    assert site.transport.count <= 2, "a look at the folder and the history, and no new attempt"
    other = "file" if path == "File" else "File"
    site.git("p", "rm", "-q", other)
    site.git("p", "commit", "-q", "-m", "one of them")
    await sync.run()
    assert site.remote("p").keys() == {path} and marker_of(sync).skipped == {}
    site.git("p", "mv", "-f", path, "FILE")
    site.git("p", "commit", "-q", "-m", "case")
    await sync.run()
    assert [name.casefold() for name in site.remote("p")] == ["file"]
    assert marker_of(sync).skipped == {}


NFC, NFD = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))


@pytest.fixture
def normalizing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the workspace have names in one Unicode form only."""
    normalize = files.normalize
    monkeypatch.setattr(
        files, "normalize", lambda path: unicodedata.normalize("NFC", normalize(path))
    )


@pytest.mark.usefixtures("normalizing")
async def test_a_workspace_that_normalizes_names_has_every_file(site: Site) -> None:
    name = NFD
    site.make("p", a="1")
    site.commit("p", {name: "2"})
    sync = site.project_sync("p")
    await sync.run()
    calls = site.transport.count
    await sync.run(audits=True)
    assert site.transport.count - calls <= 2, "nothing is written again"
    assert marker_of(sync).skipped == {}


@pytest.mark.usefixtures("normalizing")
@pytest.mark.parametrize("place", ["{}", "{}/x"])
async def test_a_file_whose_name_changes_its_unicode_form_stays(site: Site, place: str) -> None:
    before, after = place.format(NFD), place.format(NFC)
    site.make("p", a="1")
    site.commit("p", {before: "same"})
    sync = site.project_sync("p")
    await sync.run()
    site.git("p", "rm", "-q", before)
    site.commit("p", {after: "same"})
    await sync.run()
    assert site.remote("p") == {"a": b"1", after: b"same"}
    site.git("p", "rm", "-q", after)
    site.commit("p", {before: "other"})
    await sync.run()
    assert site.remote("p") == {"a": b"1", after: b"other"}
    assert marker_of(sync).skipped == {}


@pytest.mark.usefixtures("normalizing")
@pytest.mark.parametrize("other", ["same", "other"])
async def test_names_that_differ_in_unicode_form_only_are_named_once(
    site: Site, other: str
) -> None:
    site.make("p")
    site.commit("p", {f"{NFD}/x": "same", f"{NFC}/x": other})
    sync = site.project_sync("p")
    await sync.run()
    [(left_out, reason)] = marker_of(sync).skipped.items()
    assert reason == COLLIDES
    [there] = {f"{NFD}/x", f"{NFC}/x"} - {left_out}
    site.git("p", "rm", "-q", there)
    site.git("p", "commit", "-q", "-m", "one of them")
    await sync.run()
    content = (site.projects / "p" / left_out).read_bytes()
    assert [*site.remote("p").values()] == [content] and marker_of(sync).skipped == {}


async def test_a_notebook_that_a_job_names_stays_beside_the_files_of_its_source(
    site: Site,
) -> None:
    source = "# Databricks notebook source\n"
    site.make("p", a="1")
    sync = site.project_sync("p")
    await sync.run()
    for name in ("etl", "report"):  # as “databricks workspace import” makes them
        site.put_foreign(f"p/{name}", b"of the job", kind="NOTEBOOK")
    names = ("etl.py", "report.ipynb")
    jobs = {"a": b"1", "etl": b"of the job", "report": b"of the job"}
    for text in (f"{source}1", f"{source}2"):
        cells = json.dumps({"cells": [], "metadata": {"text": text}})
        site.commit("p", {"etl.py": text, "report.ipynb": cells})
        await sync.run()
        assert site.remote("p") == {**jobs, "etl.py": text.encode(), "report.ipynb": cells.encode()}
        kinds = {n.path.rpartition("/")[2]: n.kind for n in site.workspace.files.all()}
        assert [kinds[name] for name in names] == ["FILE", "FILE"]
        assert [kinds[name] for name in ("etl", "report")] == ["NOTEBOOK", "NOTEBOOK"]
        assert marker_of(sync).skipped == marker_of(sync).notes == {}
    site.transport.count = 0
    await sync.run(audits=True)
    assert site.transport.count <= 2, "nothing is written again"
    site.commit("p", dict.fromkeys(names))
    await sync.run()
    assert site.remote("p") == jobs


async def test_files_that_the_workspace_converts_are_left_out_with_the_reason(site: Site) -> None:
    site.make("p", a="1")
    names = ("sales.lvdash.json", "x.dbquery.ipynb", "y.dbalert.ipynb")
    site.commit("p", dict.fromkeys(names, "{}"))
    sync = site.project_sync("p")
    await sync.run()
    assert marker_of(sync).skipped == dict.fromkeys(names, CONVERTED)
    assert site.remote("p") == {"a": b"1"}
    site.transport.count = 0
    await sync.run(audits=True)
    assert site.transport.count <= 2
    site.commit("p", {"sales.lvdash.json": None, "x.dbquery.ipynb": '{"a": 1}'})
    await sync.run()
    assert marker_of(sync).skipped == dict.fromkeys(names[1:], CONVERTED)


async def test_every_edit_is_kept_whatever_its_size(site: Site) -> None:
    site.make("p")
    site.commit("p", {"a": "12345", "b": "2"})
    sync = site.project_sync("p")
    await sync.run()
    edits = [b"54321", b"an edit", b"67890"]
    for edit in edits:
        site.put_foreign("p/a", edit)
        site.commit("p", {"b": edit})  # a sync of another file in between
        await sync.run()
        await sync.run(audits=True)
        assert site.remote("p")["a"] == b"12345"
    records = site.remote(".dbx-agents/p")
    kept = [data for path, data in sorted(records.items()) if path.startswith("edited/")]
    assert sorted(kept) == sorted(edits)


async def test_an_edit_too_large_to_be_kept_is_left_unchanged(site: Site) -> None:
    site.make("p", a="1")
    await site.project_sync("p").run()
    large = b"x" * (11 * 1024 * 1024)
    site.put_foreign("p/a", large)
    sync = site.project_sync("p")
    for _ in range(2):
        await sync.run(audits=True)
        assert site.remote("p")["a"] == large
        assert "Move it away there" in marker_of(sync).skipped["a"]
    await site.project_sync("p").run()
    assert site.remote("p")["a"] == large, "a start of the server leaves it, too"
    site.put_foreign("p/a", b"1")
    await sync.run(audits=True)
    assert marker_of(sync).skipped == {}


async def test_small_lfs_files_are_not_taken_for_edits(site: Site) -> None:
    content = b"icon" * 70
    oid = hashlib.sha256(content).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {len(content)}\n"
    folder = site.make("p", icon=pointer)
    store = folder / ".git/lfs/objects" / oid[:2] / oid[2:4]
    store.mkdir(parents=True)
    (store / oid).write_bytes(content)
    sync = site.project_sync("p")
    for _ in range(3):
        await sync.run(audits=True)
        assert site.remote("p") == {"icon": content}
    assert marker_of(sync).notes == {}
    assert not [path for path in site.remote(".dbx-agents/p") if path.startswith("edited/")]
    site.put_foreign("p/icon", b"edit" * 70)
    await sync.run(audits=True)
    assert [path for path in site.remote(".dbx-agents/p") if path.startswith("edited/")]


async def test_a_removed_history_is_kept_anew(site: Site) -> None:
    site.make("p", a="1")
    sync = site.project_sync("p")
    await sync.run()
    site.commit("p", {"a": "2"})
    await sync.run()
    log = site.git("p", "log", "--format=%H")
    site.delete_foreign(f".dbx-agents/p/{site.bundles('p')[0]}")
    await sync.run(audits=True)
    shutil.rmtree(site.projects / "p")
    assert (await site.restorer().restore("p")).has_history
    assert site.git("p", "log", "--format=%H") == log
    sync = site.project_sync("p")
    await sync.run()
    site.delete_foreign(".dbx-agents", recursive=True)
    site.commit("p", {"a": "3"})
    await sync.run()
    assert sync.audits_next
    await sync.run()
    shutil.rmtree(site.projects / "p")
    assert (await site.restorer().restore("p")).has_history
    assert (site.projects / "p/a").read_text() == "3"


async def test_a_damaged_record_is_reported_and_can_be_taken_over(site: Site) -> None:
    site.make("p", a="1")
    await site.project_sync("p").run()
    site.put_foreign(".dbx-agents/p/sync.json", b"{")
    with pytest.raises(DestinationError, match="damaged"):
        await site.project_sync("p").run()
    await site.project_sync("p").run(takes_over=True)
    site.commit("p", {"a": "2"})
    await site.project_sync("p").run()
    assert site.remote("p") == {"a": b"2"}


@pytest.mark.parametrize("has_mirror", [True, False])
async def test_a_new_clone_goes_on_and_keeps_what_was_never_pushed(
    site: Site, has_mirror: bool
) -> None:
    site.make("origin", a="1")
    site.git(site.projects, "clone", "-q", "origin", "p")
    unpushed = site.commit("p", {"b": "2", "c": "3"})
    await site.project_sync("p").run()
    shutil.rmtree(site.projects / "p")
    site.git(site.projects, "clone", "-q", "origin", "p")
    if not has_mirror:
        shutil.rmtree(site.mirrors)
    await site.project_sync("p").run()
    assert site.remote("p") == {"a": b"1"}
    assert kept(site, "p") == {unpushed}
    shutil.rmtree(site.projects / "p")
    await site.restorer().restore("p")
    assert kept(site, "p") == {unpushed}


async def test_a_kept_history_with_a_gap_is_reported_and_can_be_taken_over(site: Site) -> None:
    site.make("origin", a="1")
    site.git(site.projects, "clone", "-q", "origin", "p")
    site.commit("p", {"b": "2"})
    await site.project_sync("p").run()
    shutil.rmtree(site.projects / "p")
    site.git(site.projects, "clone", "-q", "origin", "p")
    [bundle] = site.bundles("p")
    site.delete_foreign(f".dbx-agents/p/{bundle}")
    shutil.rmtree(site.mirrors)
    with pytest.raises(DestinationError, match="no longer exists") as raised:
        await site.project_sync("p").run()
    assert raised.value.hint.endswith("jupyter dbx-agents sync --take-over -- p")
    assert site.remote("p") == {"a": b"1", "b": b"2"}
    await site.project_sync("p").run(takes_over=True)
    assert site.remote("p") == {"a": b"1"}
    assert sorted(edits(site)) == [b"1", b"2"]


@pytest.mark.parametrize("forbidden", ["f00", "f25"])
async def test_a_file_that_may_not_be_written_is_named_and_holds_no_other(
    site: Site, monkeypatch: pytest.MonkeyPatch, forbidden: str
) -> None:
    site.make("p", **{f"f{number:02}": "1" for number in range(30)})
    sync = site.project_sync("p")
    put = site.files.put

    async def refuse(path: str, content: Content, *, overwrite: bool) -> int:
        if path.endswith(f"/{forbidden}"):
            raise WorkspacePermissionError("Not this file.", status=403)
        return await put(path, content, overwrite=overwrite)

    monkeypatch.setattr(site.files, "put", refuse)
    await sync.run()
    assert len(site.remote("p")) == 29
    assert "Not this file" in marker_of(sync).skipped[forbidden]
    monkeypatch.undo()
    await sync.run(audits=True)
    assert len(site.remote("p")) == 30 and not marker_of(sync).skipped


async def test_a_folder_that_may_not_be_written_is_refused_with_a_path(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.make("p", **{f"f{number:02}": "1" for number in range(30)})
    put, tried = site.files.put, list[str]()

    async def refuse(path: str, content: Content, *, overwrite: bool) -> int:
        if path.startswith(f"{ROOT}/p/"):
            tried.append(path)
            raise WorkspacePermissionError("Not this folder.", status=403)
        return await put(path, content, overwrite=overwrite)

    monkeypatch.setattr(site.files, "put", refuse)
    with pytest.raises(WorkspacePermissionError, match=f"{ROOT}/p/f"):
        await site.project_sync("p").run()
    assert len(tried) < 20


@pytest.mark.parametrize("call", ["delete", "make_folder"])
async def test_a_file_or_folder_that_may_not_be_changed_holds_no_other(
    site: Site, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    site.make("p", a="1", b="2", c="3")
    sync = site.project_sync("p")
    await sync.run()
    original = getattr(site.files, call)

    async def refuse(path: str) -> Any:
        if path.endswith(("/a", "/d")):
            raise WorkspacePermissionError("Not this one.", status=403)
        return await original(path)

    monkeypatch.setattr(site.files, call, refuse)
    site.commit("p", {"a": None, "b": None, "n": "1", "d/x": "2"})
    await sync.run()
    marker = marker_of(sync)
    left_out = {**marker.skipped, **marker.notes}
    assert left_out.keys() == {"a" if call == "delete" else "d/x"}
    assert "Not this one." in "".join(left_out.values())
    assert {"c", "n"} <= site.remote("p").keys() and "b" not in site.remote("p")
    monkeypatch.undo()
    await sync.run(audits=True)
    assert site.remote("p").keys() == {"c", "n", "d/x"} and not marker_of(sync).notes


async def test_what_an_interrupted_pass_had_done_is_done_again_in_a_new_folder(site: Site) -> None:
    site.make("p", a="1")
    sync = site.project_sync("p", parallel=1)
    await sync.run()
    site.commit("p", {f"f{number}": "1" for number in range(9)})
    site.transport.dies_at = site.transport.count + 9  # after a checkpoint
    with pytest.raises(Killed):
        await sync.run()
    assert "f2" in site.remote("p")
    site.connect()
    site.delete_foreign("p", recursive=True)
    await site.project_sync("p").run()
    assert len(site.remote("p")) == 10


async def test_an_edit_of_which_the_workspace_takes_no_copy_stays_and_holds_no_other(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.make("p", a="1", b="2")
    sync = site.project_sync("p")
    await sync.run()
    site.put_foreign("p/a", b"edited")
    site.commit("p", {"a": "3", "b": "4"})
    put = site.files.put

    async def refuse(path: str, content: Content, *, overwrite: bool) -> int:
        if "/edited/" in path:
            raise WorkspaceError("The path is too long.", status=400)
        return await put(path, content, overwrite=overwrite)

    monkeypatch.setattr(site.files, "put", refuse)
    await sync.run()
    assert site.remote("p") == {"a": b"edited", "b": b"4"}
    assert "cannot be kept" in marker_of(sync).skipped["a"]
