"""The life cycle of apps and deployments, through the real SDK's waiters."""

from __future__ import annotations

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from databricks.sdk.errors import (
    BadRequest,
    InvalidParameterValue,
    NotFound,
    OperationFailed,
    PermissionDenied,
)
from databricks.sdk.service.apps import App, AppDeployment, GitRepository, GitSource
from databricks.sdk.service.workspace import ImportFormat

from dbx_workspace.apps.source import DeploymentFailed, app_specification
from tests.support.constants import OWNER

SOURCE = f"/Workspace/Users/{OWNER}/apps/mine"
APP_YAML = b'command: ["python", "main.py"]\nenv:\n  - {name: COLOR, value: blue}\n'
SOON = timedelta(seconds=60)


class RecordingDeployer:
    """A deployer that records its calls, and fails with ``failure`` if that is set."""

    def __init__(self, url: str = "") -> None:
        self.calls: list[tuple[str, str, list[str]]] = []
        self.failure = ""
        self.url = url

    async def deploy(self, app, deployment) -> None:
        self.calls.append(("deploy", app.name, sorted(deployment.source)))
        if self.failure:
            raise DeploymentFailed(self.failure)
        app.url = self.url or app.url

    async def stop(self, app) -> None:
        self.calls.append(("stop", app.name, []))


@pytest.fixture
def client(site):
    return site.sdk()


def create(client, name: str = "mine"):
    return client.apps.create_and_wait(App(name=name), timeout=SOON)


def upload(client, files: dict[str, bytes]) -> None:
    for path, content in files.items():
        folder = f"{SOURCE}/{path}".rpartition("/")[0]
        client.workspace.mkdirs(folder)
        client.workspace.upload(
            f"{SOURCE}/{path}", content, format=ImportFormat.RAW, overwrite=True
        )


def deploy(client, name: str = "mine", **source):
    source = source or {"source_code_path": SOURCE}
    return client.apps.deploy_and_wait(name, AppDeployment(**source), timeout=SOON)


def test_an_app_is_created_deployed_stopped_started_and_deleted(site, client):
    deployer = site.workspace.app_service.deployer = RecordingDeployer("http://127.0.0.1:1")
    created = create(client)
    assert (created.creator, created.compute_status.state.value) == (OWNER, "ACTIVE")
    assert created.app_status.state.value == "UNAVAILABLE"
    upload(client, {"app.yaml": APP_YAML, "src/main.py": b"print()"})
    deployment = deploy(client)
    app = client.apps.get("mine")
    assert (app.url, app.app_status.state.value) == ("http://127.0.0.1:1", "RUNNING")
    assert app.active_deployment.deployment_id == deployment.deployment_id
    assert app.default_source_code_path == SOURCE
    upload(client, {"later.py": b"not in the snapshot"})
    assert client.apps.stop_and_wait("mine", timeout=SOON).app_status.state.value == "UNAVAILABLE"
    assert client.apps.start_and_wait("mine", timeout=SOON).app_status.state.value == "RUNNING"
    files = ["app.yaml", "src/main.py"]
    assert deployer.calls == [
        ("deploy", "mine", files),
        ("stop", "mine", []),
        ("deploy", "mine", files),
    ]
    assert [d.deployment_id for d in client.apps.list_deployments("mine")] == [
        deployment.deployment_id
    ]
    client.apps.delete("mine")
    with pytest.raises(BadRequest, match="not terminal"):
        create(client)
    site.control.advance_clock(20 * 60)
    with pytest.raises(NotFound):
        client.apps.get("mine")
    assert create(client).name == "mine"


def test_a_git_repository_is_deployed_with_its_history(site, client, tmp_path: Path):
    deployer = site.workspace.app_service.deployer = RecordingDeployer()
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@example.com"]
    (tmp_path / "app.yaml").write_bytes(APP_YAML)
    subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "first"], check=True)
    repository = GitRepository(url=str(tmp_path), provider="gitHub")
    client.apps.create_and_wait(App(name="mine", git_repository=repository), timeout=SOON)
    deploy(client, git_source=GitSource(branch="main"))
    [(_, _, files)] = deployer.calls
    assert {"app.yaml", ".git/HEAD"} <= set(files)
    with pytest.raises(OperationFailed, match="Error downloading source code"):
        deploy(client, git_source=GitSource(branch="nowhere"))


@pytest.mark.parametrize("name", ["", "a", "Upper", "under_score", "a.b", "x" * 31, "ümlaut"])
def test_names_that_the_platform_rejects(client, name: str):
    with pytest.raises(InvalidParameterValue, match="lowercase alphanumeric"):
        create(client, name)


def test_a_taken_name_is_rejected(client):
    with pytest.raises(OSError, match="An app with the same name already exists"):
        create(client, "dbx-agents")


def test_a_deployment_fails_with_the_platforms_messages(site, client):
    create(client)
    with pytest.raises(OperationFailed, match="Error downloading source code"):
        deploy(client)
    upload(client, {"app.yaml": b"command: [unclosed"})
    with pytest.raises(OperationFailed, match=r"Invalid app\.yaml"):
        deploy(client)
    upload(client, {"app.yaml": APP_YAML, "big": b"x" * (10 * 1024 * 1024 + 1)})
    with pytest.raises(OperationFailed, match="File is larger than 10485760 bytes"):
        deploy(client)
    client.workspace.delete(f"{SOURCE}/big")
    deployer = site.workspace.app_service.deployer = RecordingDeployer()
    deployer.failure = "app crashed unexpectedly"
    with pytest.raises(OperationFailed, match="app crashed unexpectedly"):
        deploy(client)
    assert client.apps.get("mine").app_status.state.value == "CRASHED"
    site.control.rule_apps(deploy_error="requirements.txt could not be installed")
    with pytest.raises(OperationFailed, match=r"requirements\.txt could not"):
        deploy(client)


def test_other_users_may_read_but_not_manage(site, client):
    create(client)
    other = site.sdk(site.control.mint("other@example.com").token_value)
    assert other.apps.get("mine").name == "mine"
    for operation in (other.apps.start, other.apps.stop, other.apps.delete):
        with pytest.raises(PermissionDenied, match="CAN_MANAGE"):
            operation("mine")
    with pytest.raises(PermissionDenied, match="CAN_MANAGE"):
        other.apps.deploy("mine", AppDeployment(source_code_path=SOURCE))
    site.control.rule_apps(may_users_create=False)
    with pytest.raises(PermissionDenied, match="create apps"):
        create(other, "another")


def test_operations_are_rejected_in_the_wrong_state(site, client):
    client.apps.create(App(name="mine"), no_compute=True)
    with pytest.raises(BadRequest, match="STOPPED"):
        client.apps.deploy("mine", AppDeployment(source_code_path=SOURCE))
    client.apps.start_and_wait("mine", timeout=SOON)
    with pytest.raises(BadRequest, match="ACTIVE"):
        client.apps.start("mine")
    upload(client, {"app.yaml": APP_YAML})
    site.control.rule_apps(deploy_seconds=600)
    client.apps.deploy("mine", AppDeployment(source_code_path=SOURCE))
    assert client.apps.get("mine").pending_deployment is not None
    with pytest.raises(OSError, match="deployment in progress"):
        client.apps.deploy("mine", AppDeployment(source_code_path=SOURCE))


def test_compute_may_fail_to_start_and_apps_are_limited(site, client):
    site.control.rule_apps(start_error="no capacity")
    with pytest.raises(OperationFailed, match="no capacity"):
        create(client)
    site.control.rule_apps(app_limit=2)
    with pytest.raises(BadRequest, match="limit of 2 apps"):
        create(client, "one-more")


def test_a_deployments_own_command_and_variables_take_precedence():
    request = {"command": ["bash"], "env_vars": [{"name": "COLOR", "value": "red"}]}
    assert app_specification({"app.yaml": APP_YAML}, {}, {})["env"] == {"COLOR": "blue"}
    assert app_specification({"app.yaml": APP_YAML}, request, {}) == {
        "command": ["bash"],
        "env": {"COLOR": "red"},
    }
    assert app_specification({"b.py": b"", "a.py": b""}, {}, {})["command"] == ["python", "a.py"]
    with pytest.raises(DeploymentFailed):
        app_specification({"README.md": b""}, {}, {})


def test_a_variable_has_the_value_of_the_apps_resource(site, client):
    create(client)
    source = {"app.yaml": APP_YAML + b"  - {name: TOKEN, valueFrom: my-token}\n"}
    upload(client, source)
    with pytest.raises(OperationFailed, match="the app has no resource my-token"):
        deploy(client)
    app = site.workspace.apps.named("mine")
    app.resource_values["my-token"] = " secret\n"
    assert deploy(client).status.state.value == "SUCCEEDED"
    assert app_specification(source, {}, app.resource_values)["env"]["TOKEN"] == " secret\n"
