"""The few commands of the Databricks CLI that the documentation uses, through the real APIs.

The CLI itself is on no package registry. Of a bundle it only checks what it is asked for.
"""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path

import yaml
from databricks.sdk import WorkspaceClient
from databricks.sdk.service.apps import App, AppDeployment
from databricks.sdk.service.workspace import ImportFormat


def main() -> None:
    parser = argparse.ArgumentParser(prog="databricks")
    groups = parser.add_subparsers(required=True)
    apps = groups.add_parser("apps").add_subparsers(required=True)
    create = apps.add_parser("create")
    create.add_argument("name")
    create.set_defaults(run=create_app)
    deploy = apps.add_parser("deploy")
    deploy.add_argument("name")
    deploy.add_argument("--source-code-path", required=True)
    deploy.set_defaults(run=deploy_app)
    sync = groups.add_parser("sync")
    sync.add_argument("--full", action="store_true")
    sync.add_argument("source")
    sync.add_argument("target")
    sync.set_defaults(run=sync_files)
    bundle = groups.add_parser("bundle")
    bundle.add_argument("verb", choices=["validate", "deploy", "run"])
    bundle.add_argument("key", nargs="?")
    bundle.add_argument("--var", default="")
    bundle.add_argument("--target")
    bundle.add_argument("--profile")
    bundle.set_defaults(run=check_bundle)
    options = parser.parse_args()
    options.run(options)


def create_app(options: argparse.Namespace) -> None:
    WorkspaceClient().apps.create_and_wait(App(name=options.name))


def deploy_app(options: argparse.Namespace) -> None:
    deployment = AppDeployment(source_code_path=options.source_code_path)
    WorkspaceClient().apps.deploy_and_wait(options.name, deployment)


def sync_files(options: argparse.Namespace) -> None:
    workspace = WorkspaceClient().workspace
    tracked = subprocess.run(
        ["git", "-C", options.source, "ls-files", "-z"], check=True, capture_output=True, text=True
    )
    made = set()
    for path in filter(None, tracked.stdout.split("\0")):
        target = f"{options.target}/{path}"
        folder = target.rpartition("/")[0]
        if folder not in made:
            workspace.mkdirs(folder)
            made.add(folder)
        content = Path(options.source, path).read_bytes()
        workspace.upload(target, content, format=ImportFormat.RAW, overwrite=True)


def check_bundle(options: argparse.Namespace) -> None:
    bundle = yaml.safe_load(Path("databricks.yml").read_text())
    name, _, _ = options.var.partition("=")
    assert not name or name in bundle["variables"], name
    assert not options.target or options.target in bundle["targets"], options.target
    assert (options.verb == "run") == (options.key is not None)
    if options.key:
        assert options.key in bundle["resources"]["apps"], options.key


if __name__ == "__main__":
    main()
