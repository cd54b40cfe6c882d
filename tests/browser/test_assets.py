"""The committed assets are what the source gives, small, and found wherever the package is."""

import gzip
import json
import re
from pathlib import Path

import pytest
from jupyterlab_server.config import get_page_config

from jupyter_dbx_agents.lifecycle.preferences import LAB_EXTENSIONS
from tests.support.lab_copy import ASSETS, SOURCE, LabCopy, files_of

MOST_BUNDLE_BYTES = 60 * 1024
MOST_FILE_BYTES = 10 * 1024 * 1024


@pytest.mark.timeout(300)
def test_the_committed_assets_are_what_the_source_gives(lab_copy: LabCopy):
    lab_copy.run("npm", "run", "build")
    built, committed = files_of(lab_copy.assets), files_of(ASSETS)
    assert sorted(built) == sorted(committed), (
        "run “make lab” and commit jupyter_dbx_agents/labextension"
    )
    assert [name for name in built if built[name] != committed[name]] == []


@pytest.mark.timeout(300)
def test_the_types_of_the_rest_api_are_what_its_description_gives(lab_copy: LabCopy):
    types = lab_copy.source / "src" / "server" / "rest_api.ts"
    types.unlink()
    lab_copy.run("npm", "run", "types")
    committed = SOURCE / types.relative_to(lab_copy.source)
    assert types.read_text() == committed.read_text(), "run “npm run types”"


@pytest.mark.timeout(300)
def test_the_units_of_the_front_end(lab_copy: LabCopy):
    assert re.search(r"# pass [1-9]", lab_copy.run("npm", "test"))


def test_the_bundle_is_small():
    scripts = [content for name, content in files_of(ASSETS).items() if name.endswith(".js")]
    assert 0 < sum(len(gzip.compress(script)) for script in scripts) <= MOST_BUNDLE_BYTES
    assert max(len(content) for content in files_of(ASSETS).values()) < MOST_FILE_BYTES


def test_the_bundle_names_no_address_outside_the_origin():
    scripts = {name: text for name, text in files_of(ASSETS).items() if name.endswith(".js")}
    harmless = {b"http://www.w3.org/2000/svg", b"https://jupyter-dbx-agents/events/status/"}
    for name, script in scripts.items():
        assert set(re.findall(rb"https?://[\w./-]+", script)) <= harmless, name


def test_the_lock_has_hashes_and_no_registry():
    packages = json.loads((SOURCE / "package-lock.json").read_text())["packages"]
    del packages[""]
    assert not [name for name, package in packages.items() if "resolved" in package]
    assert not [name for name, package in packages.items() if "integrity" not in package]


def test_the_extension_is_found_in_our_folder_once_and_stops_the_news(tmp_path: Path):
    installed = tmp_path / "labextensions"
    installed.mkdir()
    (installed / "jupyter-dbx-agents").symlink_to(ASSETS)
    page = get_page_config([str(LAB_EXTENSIONS), str(installed)])
    names = [extension["name"] for extension in page["federated_extensions"]]
    assert names == ["jupyter-dbx-agents"]
    assert "@jupyterlab/apputils-extension:announcements" in page["disabledExtensions"]
