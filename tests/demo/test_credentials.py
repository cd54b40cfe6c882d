"""Five agents, an SDK program and git sync notice nothing, whatever the credential is."""

import re
import threading
from collections.abc import Iterator

import pytest

from tests.support.constants import PAT
from tests.support.effort import IS_LONG, ROTATIONS
from tests.support.running_app import RunningApp, eventually

from .test_main_job import SDK_PROGRAM
from .test_real_agents import ONCE

# Refreshed after two thirds of it.
ACCESS_SECONDS = 9
STREAM = "'stream: 12 chunks every 250 ms'"
# OpenCode quotes a question of several words, which is then not the stub's word for a stream.
# One agent after the other: all at once need more memory than a small machine has.
AGENTS_IN_TURN = f"""
calls=0; failures=0
until [ -e "$1" ]; do
  while read -r command; do
    out=$(eval "$command" 2>&1 </dev/null) && printf '%s' "$out" |
      grep -qE "end of stream|echo: .stream" || {{
      failures=$((failures+1)); printf '%s\\n' "$command" "$out"; }}
    calls=$((calls+1))
  done <<'END'
{chr(10).join(command.format(STREAM) for command, _ in ONCE.values())}
END
done
echo "calls=$calls failures=$failures"
"""
COMMITS = """
rm -rf "$2"; git init -q "$2"; cd "$2"
git config user.email a@example.com; git config user.name A
calls=0
until [ -e "$1" ]; do
  calls=$((calls+1)); echo $calls > file; git add file; git commit -qm $calls; sleep 1
done
git log -1 --format="calls=$calls failures=0 head=%H"
"""


# What is pasted goes through twenty rotations in ``test_main_job``, too.
WAYS = ["pasted", "signed in", "signed in, PATs forbidden"]


@pytest.fixture(params=WAYS if IS_LONG else WAYS[-1:])
def credential(app: RunningApp, request: pytest.FixtureRequest) -> Iterator[str]:
    """Connect in one of the ways; undo it after the test."""
    app.owner.json("DELETE", PAT)
    if request.param == "pasted":
        app.log_in()
    else:
        app.control.switch(tokens_disabled="forbidden" in request.param)
        app.control.rule_sign_in(access_token_seconds=ACCESS_SECONDS)
        app.sign_in()
    yield request.param
    app.owner.json("DELETE", PAT)
    app.control.switch(tokens_disabled=False)
    app.control.rule_sign_in(access_token_seconds=3600)


@pytest.mark.timeout(1200)
def test_agents_sdk_and_git_sync_work_through_rotations_and_refreshes(
    app: RunningApp, credential: str
):
    app.until_installed()
    stop = app.home / "stop-credentials"
    repository = re.sub(r"\W+", "-", credential)
    stop.unlink(missing_ok=True)
    for name, text in (("sdk.py", SDK_PROGRAM), ("agents.sh", AGENTS_IN_TURN), ("git.sh", COMMITS)):
        (app.home / name).write_text(text)
    programs = {
        "agents": f"cd /tmp && bash ~/agents.sh {stop}",
        "sdk": f"python ~/sdk.py {stop} {app.lines['owner']}",
        "git": f"bash ~/git.sh {stop} {repository}",
    }
    results: dict[str, str] = {}

    def work(name: str, command: str) -> None:
        with app.owner.terminal() as terminal:
            results[name] = terminal.run(command, 900)

    before = max(call["number"] for call in app.control.requests())
    first = app.pat()["rotations"]
    threads = [threading.Thread(target=work, args=item) for item in programs.items()]
    for thread in threads:
        thread.start()
    eventually(lambda: app.pat()["rotations"] >= first + ROTATIONS, 400, "rotations")
    stop.touch()
    for thread in threads:
        thread.join(400)
    assert set(results) == set(programs), results
    counts = {
        name: re.search(r"calls=(\d+) failures=(\d+)", said) for name, said in results.items()
    }
    for name, count in counts.items():
        assert count is not None, results[name]
        assert int(count[2]) == 0, f"{name}: {results[name]}"
    assert counts["agents"] is not None
    assert int(counts["agents"][1]) >= len(ONCE)

    calls = app.control.requests(since=before)
    assert not [call for call in calls if call["status"] in {401, 403}]
    models = app.calls(before)
    assert {call["status"] for call in models if call["outcome"] == "answered"} == {200}
    kinds = {token["token_id"]: token["kind"] for token in app.control.tokens()}
    used = {call["token_id"] for call in models if call["token_id"]}
    assert len(used) > 1
    assert {kinds[token] for token in used} == {"oauth" if "forbidden" in credential else "pat"}

    head = re.search(r"head=(\w+)", results["git"])
    assert head is not None

    def is_synced() -> bool:
        projects = {project["name"]: project for project in app.status()["projects"]}
        return projects.get(repository, {}).get("commit") == head[1]

    eventually(is_synced, 60, "the last commit in the workspace")
