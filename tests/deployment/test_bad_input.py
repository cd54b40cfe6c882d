"""Each thing that is wrong stops the deploy command with one line that says what to do."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from dbx_workspace.apps.records import App, Deployment
from tests.support.constants import OWNER

from .conftest import APP_YAML, Deployer

LARGE = b"x" * (10 * 1024 * 1024 + 1)


@pytest.mark.parametrize("name", ["", "x", "Upper", "under_score", "a" * 31, "ümlaut"])
def test_a_name_that_no_app_can_have(deployer: Deployer, name: str):
    said = deployer.refused("--app", name)
    assert "is not a valid app name. Use 2 to 30 lowercase letters" in said


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"package.json": "{}"}, "Move it into a folder"),
        ({"big.bin": LARGE}, "The platform does not accept files over 10 MB: big.bin. Remove"),
        ({"app.yaml": "command: [unclosed"}, "app.yaml is not valid YAML"),
        ({"app.yaml": "env: [{name: A, value: 2024-13-01}]"}, "app.yaml is not valid YAML: month"),
        ({"app.yaml": "[" * 5000}, "app.yaml is not valid YAML"),
        ({"app.yaml": b"\xff\xfe"}, "The file app.yaml cannot be read"),
        ({"app.yaml": "env: []"}, "app.yaml has no command, which must be a list of strings."),
        (
            {"app.yaml": "command: python main.py"},
            "app.yaml has no command, which must be a list of strings.",
        ),
        ({"app.yaml": "command: [python, 3]"}, "Put it in quotes."),
        ({"app.yaml": APP_YAML + "  - value: x"}, "a variable without a valid name"),
        ({"app.yaml": APP_YAML + "  - name: A B\n    value: x"}, "without a valid name: 'A B'"),
        ({"app.yaml": APP_YAML + "  - name: A"}, "needs either value or valueFrom"),
        ({"app.yaml": APP_YAML + "  - {name: A, value: 3}"}, "Put it in quotes."),
        (
            {"app.yaml": APP_YAML + "  - {name: DATABRICKS_APP_PORT, value: '8000'}"},
            "app.yaml sets DATABRICKS_APP_PORT. Remove it: the platform sets it.",
        ),
        (
            {"app.yaml": APP_YAML + "  - {name: APP_OWNER_EMAIL, value: jane}"},
            "APP_OWNER_EMAIL in app.yaml is 'jane', which is not an ASCII e-mail address. Set",
        ),
        (
            {"app.yaml": APP_YAML + "  - {name: APP_OWNER_EMAIL, value: jürgen@x.de}"},
            "not an ASCII e-mail",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_repository_that_the_platform_would_refuse(deployer: Deployer, files, said: str):
    deployer.repository.commit(files)
    assert said in deployer.refused()
    assert deployer.server.workspace.apps.all() == []


def test_a_library_that_is_too_old(deployer: Deployer, tmp_path: Path):
    old = tmp_path / "old" / "databricks_sdk-0.33.0.dist-info"
    old.mkdir(parents=True)
    (old / "METADATA").write_text("Metadata-Version: 2.1\nName: databricks-sdk\nVersion: 0.33.0\n")
    ended = deployer.run_process("deploy", python_path=str(old.parent))
    assert ended.returncode == 1
    assert ended.stderr.startswith("Libraries are missing or too old: databricks-sdk 0.33.0 (at")
    assert len(ended.stderr.splitlines()) == 1


def test_a_folder_that_is_no_repository(deployer: Deployer, tmp_path):
    deployer.repository.root = tmp_path / "home"
    deployer.variables["GIT_CEILING_DIRECTORIES"] = str(tmp_path)
    assert "is not in a usable git repository" in deployer.refused()


def test_a_repository_that_git_cannot_read(deployer: Deployer):
    (deployer.repository.root / ".git" / "index").write_bytes(b"garbage")
    assert re.search(r"git status failed in .*: fatal: .* Run “git status”", deployer.refused())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_cannot_be_read(deployer: Deployer):
    (deployer.repository.root / "main.py").chmod(0)
    assert "The file main.py cannot be read: Permission denied." in deployer.refused()


def test_a_file_that_git_does_not_track(deployer: Deployer):
    deployer.repository.git("rm", "--quiet", "--cached", "app.yaml")
    assert "git tracks no app.yaml in the repository." in deployer.refused()


def test_a_merge_that_is_not_finished(deployer: Deployer):
    repository = deployer.repository
    repository.git("checkout", "--quiet", "-b", "other")
    repository.commit({"main.py": "theirs"})
    repository.git("checkout", "--quiet", "main")
    repository.commit({"main.py": "ours"})
    with pytest.raises(Exception, match="merge"):
        repository.git("merge", "--quiet", "other")
    assert "The file main.py has merge conflicts. Resolve them" in deployer.refused()


def test_a_variable_that_is_probably_misspelt_is_said(deployer: Deployer):
    deployer.repository.commit(
        {"app.yaml": APP_YAML + "  - {name: ANTROPIC_MODEL, value: x}\n  - {name: MINE, value: y}"}
    )
    [note] = [line for line in deployer.deployed() if "nothing reads" in line]
    assert "ANTROPIC_MODEL, which nothing reads. Did you mean ANTHROPIC_MODEL?" in note


def test_a_token_in_app_yaml_is_said_to_be_in_the_wrong_place(deployer: Deployer):
    secret = "dapi" + "1" * 32
    deployer.repository.commit(
        {"app.yaml": APP_YAML + f"  - {{name: DATABRICKS_TOKEN, value: {secret}}}"}
    )
    lines = deployer.deployed()
    assert [line for line in lines if "keep it in a secret" in line]
    assert secret not in "".join(lines)


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"DATABRICKS_HOST": "", "DATABRICKS_TOKEN": ""}, "databricks auth login"),
        ({"DATABRICKS_TOKEN": "dapi" + "0" * 32}, "The workspace rejected the login. Run"),
        ({"DATABRICKS_HOST": "http://[bad"}, "databricks auth login"),
    ],
    ids=["nothing", "dead token", "malformed host"],
)
def test_a_login_that_does_not_work(deployer: Deployer, variables: dict[str, str], said: str):
    deployer.variables.update(variables)
    assert said in deployer.refused()


def test_white_space_around_a_token_does_not_matter(deployer: Deployer):
    deployer.token = f" {deployer.token}\n"
    assert deployer.deployed()[-2].startswith("Running:")


def test_a_token_that_cannot_be_sent_is_not_shown(deployer: Deployer):
    deployer.variables["DATABRICKS_TOKEN"] = f"{deployer.token[:20]}\n{deployer.token[20:]}"
    ended = deployer.run()
    assert ended.returncode == 1
    assert "The workspace cannot be used: Invalid header value" in ended.stderr
    assert deployer.token[:12] not in ended.stderr + ended.stdout


def test_a_profile_that_is_not_there(deployer: Deployer):
    said = deployer.refused("--profile", "nowhere")
    assert said.startswith("The profile nowhere does not work")
    assert "databricks auth login" in said
    assert "Config:" not in said  # the SDK's own, of many lines


def test_a_profile_names_the_host_without_scheme_and_wins_over_variables(deployer: Deployer):
    (deployer.home / ".databrickscfg").write_text(
        f"[mine]\nhost = no-such-host.invalid\ntoken = {deployer.token}\n"
    )
    said = deployer.refused("--profile", "mine")
    assert "The workspace https://no-such-host.invalid does not respond" in said
    assert deployer.token not in said


def test_a_name_that_is_taken(deployer: Deployer):
    app = deployer.server.workspace.apps.add(App("dbx-agents", OWNER))
    other = {"source_code_path": f"/Workspace/Users/{OWNER}/another"}
    app.active = Deployment(OWNER, other, app.created_at)
    said = deployer.refused()
    folder = f"/Workspace/Users/{OWNER}/another"
    assert f"The app dbx-agents already exists and runs from {folder}." in said
    assert "--replace" in said
    assert deployer.deployed("--replace")[-2].startswith("Running:")


def test_an_app_of_somebody_else(deployer: Deployer):
    deployer.server.workspace.apps.add(App("dbx-agents", "other@example.com"))
    said = deployer.refused()
    assert "does not have CAN_MANAGE permission" in said
    assert "Ask for CAN MANAGE on the app dbx-agents" in said


def test_an_app_that_one_may_not_see(deployer: Deployer):
    deployer.server.workspace.apps.add(App("dbx-agents", "other@example.com", get_status=404))
    said = deployer.refused()
    assert "The name dbx-agents is taken by an app that you cannot see." in said


def test_an_app_that_is_being_deleted(deployer: Deployer):
    deployer.deployed()
    workspace = deployer.server.workspace
    workspace.apps.named("dbx-agents").deleted_at = workspace.clock()
    workspace.apps.named("dbx-agents").set_compute("DELETING", "")
    assert "is being deleted. Wait until that has ended" in deployer.refused()
    workspace.apps.named("dbx-agents").get_status = 404
    assert "is still being deleted. Wait until that has ended" in deployer.refused()


def test_who_may_not_create_apps(deployer: Deployer):
    deployer.control.rule_apps(may_users_create=False)
    assert "User does not have permission to create apps" in deployer.refused()


def test_a_workspace_full_of_apps(deployer: Deployer):
    deployer.control.rule_apps(app_limit=0)
    assert "limit of 0 apps. Delete an app that is not needed" in deployer.refused()


def test_a_service_principal_must_name_the_owner(deployer: Deployer):
    workspace = deployer.server.workspace
    robot = "12345678-1234-4234-8234-123456789012"
    deployer.token = deployer.control.mint(robot).token_value
    deployer.control.clear_requests()
    workspace.users.pop(robot, None)
    workspace.add_user(robot)
    assert "is a service principal: nobody could open" in deployer.refused()
    # Whoever deploys, the owner of an app is who created it.
    workspace.apps.add(App("dbx-agents", robot, managers={OWNER}))
    deployer.token = deployer.control.mint(OWNER).token_value
    assert "is a service principal: nobody could open" in deployer.refused()
    workspace.apps.remove("dbx-agents")
    deployer.token = deployer.control.mint(robot).token_value
    deployer.repository.commit(
        {"app.yaml": APP_YAML + f"  - {{name: APP_OWNER_EMAIL, value: {OWNER}}}"}
    )
    assert (
        deployer.deployed()[-1] == f"Next: {OWNER} opens it (nobody else can) and pastes a token."
    )
