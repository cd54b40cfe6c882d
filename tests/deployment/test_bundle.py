"""Bundles: the one in the repository, the one of a team, and how the CLI is called for them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from databricks.sdk.service.apps import App as SdkApp

from dbx_workspace.apps.records import require_valid_name
from jupyter_dbx_agents.deployment import app_names, team_bundle
from jupyter_dbx_agents.errors import DeploymentError

from .conftest import ROOT, Deployer

EXAMPLE = ROOT / "docs" / "examples" / "team"
# Written by a program of the tests in the place of the Databricks CLI, which no registry holds.
CLI = """#!/bin/sh
echo "$@" >> "$CLI_LOG"
[ "$2" != "$CLI_FAILS_AT" ]
"""


@pytest.fixture
def cli_log(deployer: Deployer, tmp_path: Path) -> Path:
    program = tmp_path / "bin" / "databricks"
    program.parent.mkdir()
    program.write_text(CLI)
    program.chmod(0o755)
    path = f"{program.parent}:/usr/local/bin:/usr/bin:/bin"
    deployer.variables.update(PATH=path, CLI_LOG=str(tmp_path / "log"))
    deployer.repository.commit({"databricks.yml": (ROOT / "databricks.yml").read_text()})
    return tmp_path / "log"


def test_the_bundle_is_validated_deployed_and_run(deployer: Deployer, cli_log: Path):
    lines = deployer.deployed("--bundle", "--app", "my-app", "--profile", "mine")
    assert lines[-1].startswith("Next: ")
    options = "--var app_name=my-app --profile mine"
    assert cli_log.read_text().splitlines() == [
        f"bundle validate {options}",
        f"bundle deploy {options}",
        f"bundle run dbx_agents {options}",
    ]


def test_a_step_that_fails_is_the_last(deployer: Deployer, cli_log: Path):
    deployer.variables["CLI_FAILS_AT"] = "deploy"
    assert "failed. See its output above." in deployer.refused("--bundle")
    assert len(cli_log.read_text().splitlines()) == 2


def test_without_the_cli_or_the_bundle_one_is_told(deployer: Deployer, tmp_path: Path):
    assert "There is no databricks.yml" in deployer.refused("--bundle")
    deployer.repository.commit({"databricks.yml": "bundle: {name: x}\n"})
    only_git = tmp_path / "only-git"
    only_git.mkdir()
    (only_git / "git").symlink_to("/usr/bin/git")
    deployer.variables["PATH"] = str(only_git)
    assert "needs the Databricks CLI, which is not installed" in deployer.refused("--bundle")


def test_the_repositorys_bundle_holds_an_app_as_the_api_knows_it():
    bundle = yaml.safe_load((ROOT / "databricks.yml").read_text(encoding="utf-8"))
    app = bundle["resources"]["apps"]["dbx_agents"]
    require_valid_name(bundle["variables"]["app_name"]["default"])
    assert app["name"] == "${var.app_name}"
    assert (ROOT / app["source_code_path"] / "app.yaml").is_file()
    # The bundle's folder differs with the app's name, so that two apps can be deployed.
    assert "${var.app_name}" in bundle["workspace"]["root_path"]


def test_the_example_of_fifty_apps_is_generated_and_valid():
    members = (EXAMPLE / "members.txt").read_text(encoding="utf-8").splitlines()
    app_yaml = yaml.safe_load((ROOT / "app.yaml").read_text(encoding="utf-8"))
    apps = app_names(members)
    written = (EXAMPLE / "databricks.yml").read_text(encoding="utf-8")
    assert written == team_bundle(apps, "../../..", app_yaml), "run “make docs”"
    bundle = yaml.safe_load(written)
    assert len(bundle["targets"]) == len({app.name for app in apps}) == 50
    for name, target in bundle["targets"].items():
        require_valid_name(name)
        app = target["resources"]["apps"]["dbx_agents"]
        [permission] = app["permissions"]
        owner = {entry["name"]: entry["value"] for entry in app["config"]["env"]}
        assert owner["APP_OWNER_EMAIL"] == permission["user_name"]
        assert owner["HOME"] == "/app/python/source_code"
        assert app["config"]["command"] == app_yaml["command"]
    source = EXAMPLE / bundle["resources"]["apps"]["dbx_agents"]["source_code_path"]
    assert (source / "app.yaml").resolve() == ROOT / "app.yaml"
    assert bundle["sync"]["paths"] == ["../../.."]


def test_the_keys_of_the_bundle_are_those_of_the_apps_api():
    bundle = yaml.safe_load((EXAMPLE / "databricks.yml").read_text(encoding="utf-8"))
    of_bundles = {"source_code_path", "permissions", "config"}
    target = next(iter(bundle["targets"].values()))
    keys = set(bundle["resources"]["apps"]["dbx_agents"]) | set(
        target["resources"]["apps"]["dbx_agents"]
    )
    assert keys - of_bundles <= set(SdkApp.__dataclass_fields__)


def test_names_are_unique_stable_and_short_whatever_the_addresses_are():
    addresses = [
        "jane.doe@example.com",
        "jane_doe@example.com",
        "jane.doe@other.example.com",
        "maximiliana.von-und-zu-hohenlohe@example.com",
        "-@example.com",
        "_@example.com",
        "a+b@example.com",
    ]
    names = [app.name for app in app_names(addresses)]
    assert len(set(names)) == len(addresses)
    for name in names:
        require_valid_name(name)
        assert re.fullmatch(r"dbx-agents-[a-z0-9]([a-z0-9-]*[a-z0-9])?", name)
    assert [app.name for app in app_names(reversed(addresses))] == names[::-1]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["jane"], "“jane” is not an ASCII e-mail address"),
        (["jane@example.com,"], "is not an ASCII e-mail address"),
        (["jürgen@example.com"], "is not an ASCII e-mail address"),
        (["a@b.c", "A@B.C"], "a@b.c is listed twice"),
        (["# nobody", ""], "There are 0 members"),
        ([f"{n}@example.com" for n in range(101)], "There are 101 members"),
    ],
)
def test_a_list_that_cannot_be_is_refused(lines: list[str], said: str):
    with pytest.raises(DeploymentError, match=said):
        app_names(lines)


def test_a_prefix_that_leaves_no_room_is_refused():
    with pytest.raises(DeploymentError, match="is not a valid app name"):
        app_names(["a@b.c"], "a-very-very-very-long-prefix-")


def test_the_command_writes_the_bundle_where_it_is_told(deployer: Deployer):
    text = "\ufeffjane@example.com\r\n# a comment\njoe@example.com\n"  # as Windows saves it
    deployer.repository.write({"members.txt": text})
    ended = deployer.run("members.txt", "--output", "team/databricks.yml", command="team-bundle")
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    assert [line.split()[1] for line in lines[:2]] == ["jane@example.com", "joe@example.com"]
    written = deployer.repository.root / "team" / "databricks.yml"
    assert yaml.safe_load(written.read_text())["sync"]["paths"] == [".."]
    assert json.dumps(yaml.safe_load(written.read_text())).count("jane@example.com") == 2
    folder = deployer.run("members.txt", "--output", "team", command="team-bundle")
    assert folder.returncode == 1
    assert "Cannot write the bundle to team: Is a directory." in folder.stderr
    missing = deployer.run("nobody.txt", command="team-bundle")
    assert missing.returncode == 1
    assert "Run this in the repository, with a file of addresses." in missing.stderr
