"""An upload is complete under a name of its own, on every file system, or it is not there."""

import errno
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from jupyter_dbx_agents.errors import RequestError, UploadError
from jupyter_dbx_agents.web.uploads import Upload, content_length


def upload(folder: Path, name: str, *chunks: bytes) -> Path:
    with Upload(folder, name) as unfinished:
        for chunk in chunks:
            unfinished.write(chunk)
        return unfinished.finish()


@pytest.mark.parametrize("links", [None, errno.EPERM, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_gets_a_name_that_is_free_also_without_hard_links(tmp_path, monkeypatch, links):
    def link(*_: object) -> None:
        raise OSError(links, os.strerror(links or 0))

    if links is not None:
        monkeypatch.setattr(os, "link", link)
    paths = [upload(tmp_path, "a b.txt", b"one ", text) for text in (b"first", b"second")]
    assert [path.name for path in paths] == ["a_b.txt", "a_b-1.txt"]
    assert [path.read_bytes() for path in paths] == [b"one first", b"one second"]
    assert sorted(tmp_path.iterdir()) == sorted(paths)  # nothing unfinished is left


def test_uploads_are_in_no_repositorys_status(tmp_path):
    folder = tmp_path / "uploads"
    upload(folder, "a.txt", b"x")
    (folder / ".gitignore").write_text("")  # whoever wants to see them keeps that
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    shown = ["git", "-C", str(tmp_path), "status", "--porcelain", "--untracked-files=all"]
    assert b"uploads/a.txt" in subprocess.check_output(shown)
    upload(folder, "b.txt", b"x")
    assert b"uploads/b.txt" in subprocess.check_output(shown)
    shutil.rmtree(folder)
    upload(folder, "a.txt", b"x")
    assert subprocess.check_output(shown) == b""


def test_a_disk_that_fails_is_an_error_and_leaves_nothing(tmp_path, monkeypatch):
    def link(*_: object) -> None:
        raise OSError(errno.EIO, "I/O error")

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(UploadError, match="I/O error"):
        upload(tmp_path, "a.txt", b"x")
    assert not list(tmp_path.iterdir())


def test_a_chunk_that_is_written_after_the_client_has_left_is_dropped(tmp_path):
    with Upload(tmp_path, "a.txt") as unfinished:
        unfinished.write(b"one")
    unfinished.write(b"two")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["x", "-1", "1.5", "", "²"])
def test_a_size_that_is_not_a_number_is_a_bad_request(text):
    with pytest.raises(RequestError) as refused:
        content_length(text)
    assert refused.value.http_status == 400
