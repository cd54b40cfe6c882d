"""Installing agents: pinned, all or nothing, each for itself; with the real npm."""

import asyncio
import contextlib
import fcntl
import json
import os
import platform
import shutil
import ssl
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from jupyter_dbx_agents.agents import Agent, AgentInstaller
from jupyter_dbx_agents.agents.install.npm import NpmPackage, explain_npm, npm_platform
from jupyter_dbx_agents.errors import InstallError
from jupyter_dbx_agents.models import Dialect

from .npm_registry import Registry

PROGRAM = """#!/bin/sh
[ "$1" = sleep ] && { read line; exit; }
env > "$(dirname "$0")/seen"
echo works
"""
BROKEN = "#!/bin/sh\necho no such libc\nexit 127\n"
OS, CPU = npm_platform().split("-")
CERTIFICATE = Path(__file__).parents[1] / "support" / "loopback.pem"


# The locks of the agents of these tests; ``installer_of`` writes them from the registry.
LOCKS = TemporaryDirectory()


def recipe_of(name: str) -> NpmPackage:
    return NpmPackage(
        name,
        programs=(f"{name}-{{platform}}/{name}", f"{name}-{{platform}}-musl/{name}"),
        installed_bytes=1000,
        lock_folder=Path(LOCKS.name) / name,
    )


def agent_of(name: str) -> Agent:
    return Agent(
        name=f"{name}-agent",
        title=name.title(),
        command=name,
        recipe=recipe_of(name),
        dialect=Dialect.CHAT,
        default_model=lambda _models: "m",
        config_files=lambda _context: (),
    )


TOOL, OTHER = agent_of("tool"), agent_of("other")


def publish(registry: Registry, name: str, version: str = "1.0.0", glibc: str = BROKEN) -> None:
    """Publish a package whose programs are optional packages, one for each libc."""
    natives = {f"{name}-{npm_platform()}": glibc, f"{name}-{npm_platform()}-musl": PROGRAM}
    for native, text in natives.items():
        registry.add(native, version, {name: text}, os=[OS], cpu=[CPU], optional=True)
    foreign = f"{name}-sunos-sparc"
    registry.add(foreign, version, {name: BROKEN}, os=["sunos"], optional=True)
    registry.add(
        name,
        version,
        {"stub.js": "#!/usr/bin/env node\nprocess.exit(9)"},
        bin={name: "stub.js"},
        hasInstallScript=True,
        scripts={"postinstall": "touch $HOME/a-script-ran"},
        optionalDependencies=dict.fromkeys([*natives, foreign], version),
    )


@pytest.fixture
def home(tmp_path):
    (tmp_path / "home").mkdir()
    yield tmp_path / "home"
    shutil.rmtree(tmp_path / "home")  # the real agents are 700 MB


@pytest.fixture
def registry(monkeypatch):
    with Registry() as registry:
        publish(registry, "tool")
        publish(registry, "other")
        monkeypatch.setenv("npm_config_registry", registry.url)
        monkeypatch.setenv("npm_config_fetch_retries", "0")
        yield registry


def installer_of(home: Path, registry: Registry, *roots: str, **traits) -> AgentInstaller:
    for agent in (TOOL, OTHER):
        packages = registry.lock(*roots)["packages"].items()
        write_lock(
            agent, {k: v for k, v in packages if k.startswith(f"node_modules/{agent.command}")}
        )
    return AgentInstaller(home, **traits)


def write_lock(agent: Agent, packages: dict) -> None:
    """Write the lock of an agent and the ``package.json`` that goes with it."""
    folder = recipe_of(agent.command).lock_folder
    folder.mkdir(exist_ok=True)
    version = packages[f"node_modules/{agent.command}"]["version"]
    manifest = {"name": "test", "dependencies": {agent.command: version}}
    lock = {"lockfileVersion": 3, "requires": True, "packages": {"": manifest, **packages}}
    for name, content in (("package.json", manifest), ("package-lock.json", lock)):
        (folder / name).write_text(json.dumps(content))


def locked(agent: Agent) -> dict:
    """Return what the lock of an agent has, by place."""
    packages = json.loads((recipe_of(agent.command).lock_folder / "package-lock.json").read_text())[
        "packages"
    ]
    return {place: entry for place, entry in packages.items() if place}


def remains(home: Path) -> list[str]:
    """What an install that did not happen left behind, npm's own cache apart."""
    kept = (path for path in (home / ".local").rglob("*") if not path.is_dir())
    return [path.name for path in kept if path.name != ".lock"]


def processes_in(home: Path) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink().is_relative_to(home):
                found.append(int(process.name))
    return found


def test_the_program_that_runs_here_is_linked_and_no_package_ran_a_script(home, registry):
    seen = []
    installation = asyncio.run(
        installer_of(home, registry).install(TOOL, lambda *report: seen.append(report))
    )
    link = home / ".local" / "bin" / "tool"
    assert link.is_symlink()
    assert link.resolve() == installation.program
    assert f"tool-{npm_platform()}-musl" in str(installation.program)
    assert subprocess.run([link], capture_output=True, text=True, check=True).stdout == "works\n"
    assert not (home / "a-script-ran").exists()
    assert [path for path in registry.requests if "sunos" in path and "tgz" in path] == []
    fractions = [fraction for fraction, _message in seen if fraction is not None]
    assert fractions == sorted(fractions)
    assert seen[-1] == (1.0, "Tool 1.0.0.")


def test_a_child_of_the_installer_sees_no_databricks_variable(home, registry, monkeypatch):
    monkeypatch.setenv("DATABRICKS_TOKEN", "dapi-secret")
    installation = asyncio.run(installer_of(home, registry).install(TOOL))
    seen = (installation.program.parent / "seen").read_text()
    assert "DATABRICKS" not in seen
    assert "HOME=" in seen


def test_a_second_install_does_nothing(home, registry):
    installer = installer_of(home, registry)
    first = asyncio.run(installer.install(TOOL))
    asked = len(registry.requests)
    assert asyncio.run(installer_of(home, registry).install(TOOL)) == first
    assert len(registry.requests) == asked


def test_two_servers_at_once_install_once(home, registry):
    async def scenario():
        return await asyncio.gather(*(installer_of(home, registry).install(TOOL) for _ in range(2)))

    first, second = asyncio.run(scenario())
    assert first == second
    assert registry.requests.count("tool-1.0.0.tgz") == 1


def test_a_package_with_other_content_is_refused_and_leaves_nothing(home, registry):
    installer = installer_of(home, registry)
    packages = locked(TOOL)
    native = packages[f"node_modules/tool-{npm_platform()}-musl"]
    packages["node_modules/tool"]["integrity"] = native["integrity"]
    write_lock(TOOL, packages)
    with pytest.raises(InstallError, match="does not match the lock file") as caught:
        asyncio.run(installer.install(TOOL))
    assert "EINTEGRITY" in caught.value.message
    assert remains(home) == []


def test_one_agents_failure_does_not_touch_another(home, registry):
    installer = installer_of(home, registry)
    packages = locked(TOOL)
    packages["node_modules/tool"]["version"] = "9.9.9"
    write_lock(TOOL, packages)

    async def scenario():
        return await asyncio.gather(
            installer.install(TOOL), installer.install(OTHER), return_exceptions=True
        )

    failed, installed = asyncio.run(scenario())
    assert isinstance(failed, InstallError)
    assert failed.hint
    assert installed.program.exists()


@pytest.mark.parametrize("max_parallel", [1, 2])
def test_no_more_than_max_parallel_agents_are_installed_at_once(home, registry, max_parallel):
    installer = installer_of(home, registry, max_parallel=max_parallel)
    running: set[str] = set()
    most = 0

    def report(agent, fraction, _message):
        nonlocal most
        if fraction is not None:
            (running.discard if fraction == 1.0 else running.add)(agent.name)
        most = max(most, len(running))

    async def scenario():
        await asyncio.gather(
            *(installer.install(agent, partial(report, agent)) for agent in (TOOL, OTHER))
        )

    asyncio.run(scenario())
    assert most == max_parallel


def test_cancelling_ends_npm_and_leaves_nothing_and_the_next_start_installs(home, registry):
    registry.stalled = {"tool"}
    installer = installer_of(home, registry)

    async def scenario():
        task = asyncio.create_task(installer.install(TOOL))
        await asyncio.to_thread(registry.stall_begun.wait)
        assert processes_in(home)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())
    assert processes_in(home) == []
    assert remains(home) == []
    registry.stalled = set()
    assert asyncio.run(installer.install(TOOL)).program.exists()


def test_an_install_without_end_is_ended_and_says_so(home, registry):
    registry.stalled = {"tool"}
    installer = installer_of(home, registry, timeout_seconds=2.0)
    with pytest.raises(InstallError, match="took longer than 2 s"):
        asyncio.run(installer.install(TOOL))
    assert remains(home) == []


def test_a_server_that_was_stopped_in_an_installation_is_waited_for_with_a_limit(home, registry):
    installer = installer_of(home, registry, timeout_seconds=0.1)
    folder = installer.own_folder(TOOL).parent
    folder.mkdir(parents=True)
    with (folder / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(InstallError, match="Another server of yours has held") as caught:
            asyncio.run(installer.install(TOOL))
    assert caught.value.is_temporary


def test_missing_npm_says_what_to_install(home, registry, monkeypatch):
    monkeypatch.setenv("PATH", str(home))
    monkeypatch.setattr(sys, "executable", str(home / "python"))  # its folder is searched, too
    with pytest.raises(InstallError, match="not found on the PATH") as caught:
        asyncio.run(installer_of(home, registry).install(TOOL))
    assert "Node.js" in caught.value.hint
    assert remains(home) == []


def test_a_node_that_is_too_old_is_said_before_anything_is_fetched(home, registry, monkeypatch):
    old = home / "old" / "node"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho v18.20.8\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{old.parent}:{os.environ['PATH']}")
    needs_20 = replace(TOOL, recipe=replace(recipe_of("tool"), least_node=20))
    with pytest.raises(InstallError, match=r"needs Node.js 20; .*/old/node is v18.20.8") as caught:
        asyncio.run(installer_of(home, registry).install(needs_20))
    assert "Install Node.js" in caught.value.hint
    assert registry.requests == []


def test_an_unreachable_registry_is_named_as_the_cause(home, registry, monkeypatch):
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    with pytest.raises(InstallError, match="cannot be reached") as caught:
        asyncio.run(installer_of(home, registry).install(TOOL))
    assert "proxy" in caught.value.hint
    assert remains(home) == []


def test_a_program_that_runs_nowhere_is_not_put_in_place(home, registry):
    recipe = recipe_of("tool")
    only_glibc = replace(TOOL, recipe=replace(recipe, programs=recipe.programs[:1]))
    with pytest.raises(InstallError, match="does not run on this machine") as caught:
        asyncio.run(installer_of(home, registry).install(only_glibc))
    assert "no such libc" in caught.value.hint
    assert remains(home) == []


def test_a_program_without_a_loader_here_gives_way_to_the_next(home, registry):
    publish(registry, "tool", "2.0.0", glibc="#!/lib/no-such-loader\n")
    names = ("tool", f"tool-{npm_platform()}", f"tool-{npm_platform()}-musl", "tool-sunos-sparc")
    roots = [f"{name}@2.0.0" for name in names]
    found = asyncio.run(installer_of(home, registry, *roots).install(TOOL))
    assert "musl" in str(found.program)


def test_a_file_that_could_not_be_written_is_no_install_though_npm_ends_well(home, registry):
    too_long = "x" * 300  # as a full disk does, this makes npm warn, and end with 0
    native = f"other-{npm_platform()}"
    registry.add(native, "2.0.0", {"other": PROGRAM, too_long: ""}, os=[OS], cpu=[CPU])
    registry.add("other", "2.0.0", {}, optionalDependencies={native: "2.0.0"})
    installer = installer_of(home, registry, "other@2.0.0", f"{native}@2.0.0")
    with pytest.raises(InstallError, match="npm failed to write a file") as caught:
        asyncio.run(installer.install(OTHER))
    assert "name too long" in caught.value.hint
    assert remains(home) == []


def test_a_companys_certificate_is_asked_for_and_used(home, registry, monkeypatch):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    with Registry(registry.manifests, registry.tarballs, tls=context) as behind_tls:
        monkeypatch.setenv("npm_config_registry", behind_tls.url)
        with pytest.raises(InstallError, match="certificate is not trusted") as caught:
            asyncio.run(installer_of(home, registry).install(TOOL))
        assert "cafile" in caught.value.hint
        monkeypatch.setenv("npm_config_cafile", str(CERTIFICATE))
        assert asyncio.run(installer_of(home, registry).install(TOOL)).program.exists()


@pytest.mark.parametrize("kind", ["cut", "E500"])
def test_a_registry_that_answers_by_half_may_be_tried_again_and_then_installs(home, registry, kind):
    registry.failing = kind
    with pytest.raises(InstallError, match=r"was lost|reports an error") as caught:
        asyncio.run(installer_of(home, registry).install(TOOL))
    assert caught.value.is_temporary
    assert remains(home) == []
    registry.failing = ""
    assert asyncio.run(installer_of(home, registry).install(TOOL)).program.exists()


def test_a_home_that_cannot_be_written_is_reported(home, registry):
    (home / ".local").write_text("a file")
    with pytest.raises(InstallError, match="cannot be installed"):
        asyncio.run(installer_of(home, registry).install(TOOL))


@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_command_of_the_users_own_stays_and_is_reported(home, registry, kind):
    own = home / ".local" / "bin" / "tool"
    own.parent.mkdir(parents=True)
    if kind == "file":
        own.write_text("mine")
    else:
        own.symlink_to("/nowhere/mine")
    before = os.lstat(own).st_ino, os.lstat(own).st_mtime_ns
    installation = asyncio.run(installer_of(home, registry).install(TOOL))
    assert (os.lstat(own).st_ino, os.lstat(own).st_mtime_ns) == before
    assert str(own) in installation.note
    assert installation.program.exists()


def publish_versions(registry: Registry) -> None:
    for version in ("2.0.0", "3.0.0"):
        publish(registry, "tool", version)


def install(home: Path, registry: Registry, version: str) -> list[str]:
    """Install a version as a server of its own does; return those that are then there."""
    names = [n for n in ("tool", *registry.lock()["packages"]) if "tool" in n]
    roots = {n.removeprefix("node_modules/") + f"@{version}" for n in names}
    asyncio.run(installer_of(home, registry, *roots).install(TOOL))
    folders = (home / ".local/share/jupyter_dbx_agents/agents/tool-agent").iterdir()
    return sorted(path.name.partition("-")[0] for path in folders if path.is_dir())


def test_the_version_before_stays_and_an_older_one_unless_it_still_runs(home, registry):
    publish_versions(registry)
    assert install(home, registry, "1.0.0") == ["1.0.0"]
    link = home / ".local" / "bin" / "tool"
    with subprocess.Popen([link.resolve(), "sleep"], stdin=subprocess.PIPE) as running:
        assert install(home, registry, "2.0.0") == ["1.0.0", "2.0.0"]
        assert install(home, registry, "3.0.0") == ["1.0.0", "2.0.0", "3.0.0"]
        running.communicate(b"\n")
    publish(registry, "tool", "4.0.0")
    assert install(home, registry, "4.0.0") == ["3.0.0", "4.0.0"]
    assert "4.0.0" in str(link.resolve())
    asyncio.run(installer_of(home, registry).remove(TOOL))
    assert not list((home / ".local/share/jupyter_dbx_agents/agents/tool-agent").glob("*.0.0*"))


def test_a_script_that_was_started_by_its_link_finds_its_files_after_two_updates(home, registry):
    publish_versions(registry)
    install(home, registry, "1.0.0")
    link = home / ".local" / "bin" / "tool"
    # As the kernel starts a script, only the link is in the command line: "/bin/sh …/bin/tool".
    with subprocess.Popen([link, "sleep"], stdin=subprocess.PIPE) as running:
        for version in ("2.0.0", "3.0.0"):
            assert "1.0.0" in install(home, registry, version)
        running.communicate(b"\n")


def test_two_servers_of_two_versions_do_not_delete_each_others(home, registry):
    publish_versions(registry)
    for version in ("1.0.0", "2.0.0"):
        install(home, registry, version)
    asked = len(registry.requests)
    for version in ("1.0.0", "2.0.0", "1.0.0"):
        assert install(home, registry, version) == ["1.0.0", "2.0.0"]
    assert len(registry.requests) == asked


def test_a_new_lock_of_the_same_version_does_not_replace_what_runs(home, registry):
    first = asyncio.run(installer_of(home, registry).install(TOOL))
    publish(registry, "tool", glibc=BROKEN + "# new\n")
    second = asyncio.run(installer_of(home, registry).install(TOOL))
    assert first.version == second.version
    assert first.program.exists()
    assert first.program != second.program


MARKERS = [
    "{half",
    "[1]",
    "1",
    "null",
    "{}",
    '{"lock": "LOCK"}',
    '{"lock": "LOCK", "program": null}',
    '{"lock": "LOCK", "program": ["x"]}',
    '{"lock": ["LOCK"], "program": "x"}',
    "[" * 200_000,
]


@pytest.mark.parametrize("marker", MARKERS)
def test_a_marker_that_is_not_ours_is_no_installation(home, registry, marker):
    installer = installer_of(home, registry)
    prefix = installer.own_folder(TOOL)
    prefix.mkdir(parents=True)
    (prefix / "installed.json").write_text(marker.replace("LOCK", TOOL.recipe.fingerprint()))
    assert installer.installed(TOOL) is None
    installer.link(TOOL)


def test_what_a_killed_server_left_is_swept_and_a_damaged_marker_is_installed_anew(home, registry):
    installer = installer_of(home, registry)
    prefix = installer.own_folder(TOOL)
    (prefix.parent / ".partial-dead" / "node_modules").mkdir(parents=True)
    prefix.mkdir()
    (prefix / "installed.json").write_text("{half")
    assert asyncio.run(installer.install(TOOL)).program.exists()
    assert sorted(path.name for path in prefix.parent.iterdir()) == [".lock", prefix.name]


@pytest.mark.parametrize(
    "settings",
    [
        "global=true\nworkspaces=true",
        "location=global\ndry-run=true",
        "package-lock-only=true\ninstall-strategy=linked",
        "usage=true\npackage-lock=false\nprefix=/nowhere\nignore-scripts=false\nomit=optional",
        f"os=darwin\ncpu={'x64' if CPU != 'x64' else 'arm64'}",
    ],
)
def test_a_users_npmrc_for_their_own_projects_does_not_matter(home, registry, settings):
    (home / ".npmrc").write_text(f"{settings}\n")
    assert asyncio.run(installer_of(home, registry).install(TOOL)).program.exists()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is about glibc's programs")
def test_the_libc_that_a_user_chose_for_their_own_projects_does_not_matter(home, registry):
    publish(registry, "tool", "2.0.0", glibc=PROGRAM)
    names = ("tool", "tool-sunos-sparc", *(f"tool-{npm_platform()}{end}" for end in ("", "-musl")))
    for name, libc in zip(names[2:], ("glibc", "musl"), strict=True):
        registry.manifests[f"{name}@2.0.0"]["libc"] = [libc]
    (home / ".npmrc").write_text("libc=musl\n")
    roots = [f"{name}@2.0.0" for name in names]
    found = asyncio.run(installer_of(home, registry, *roots).install(TOOL))
    assert "musl" not in str(found.program)


def test_npms_errors_are_known_although_its_output_is_set_to_look_otherwise(home, registry):
    (home / ".npmrc").write_text("heading=x\ncolor=always\njson=true\nloglevel=silent\n")
    registry.failing = "E500"
    with pytest.raises(InstallError, match="reports an error"):
        asyncio.run(installer_of(home, registry).install(TOOL))


def test_a_package_without_a_program_for_this_machine_is_said(home, registry):
    elsewhere = replace(
        TOOL, recipe=replace(recipe_of("tool"), programs=("tool-sunos-sparc/tool",))
    )
    with pytest.raises(InstallError, match="without a program for this machine") as caught:
        asyncio.run(installer_of(home, registry).install(elsewhere))
    assert "npm config list" in caught.value.hint
    assert remains(home) == []


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("npm error code ENOSPC", "the disk is full"),
        ("npm warn tar TAR_ENTRY_ERROR ENOSPC: no space left on device, write", "the disk is full"),
        ("npm error code E407", "the proxy requires a login"),
        ("npm error code FETCH_ERROR", "not a registry's"),
        ("npm error code EINTEGRITY", "does not match the lock file"),
        ("npm error code EAI_AGAIN", "the DNS lookup of the registry failed"),
        ("npm error code E404", "does not have a package"),
        ("npm error something else", "exit status 7"),
    ],
)
def test_npms_failures_are_told_in_words_with_its_last_lines(line, cause):
    error = explain_npm(7, ["first", line])
    assert cause in error.message
    assert line in error.hint
