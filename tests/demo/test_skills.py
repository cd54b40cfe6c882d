"""Each real agent lists the skills of the shared folder: the app's, and what is linked there."""

import pytest

from jupyter_dbx_agents.agents.databricks.skills import OWN
from tests.support.running_app import RunningApp, eventually

# What an agent prints of its skills without a person; Claude Code and Codex say it to the model.
LISTINGS = {
    "claude-code": "claude -p hi --output-format stream-json --verbose </dev/null | head -1",
    "codex": "codex debug prompt-input hello",
    "gemini-cli": "gemini skills list",
    "opencode": "opencode debug skill",
    "hermes": "COLUMNS=300 hermes skills list",
}
TEXT = "---\nname: house-rules\ndescription: Ours.\n---\n"


@pytest.mark.parametrize("agent", LISTINGS)
def test_an_agent_lists_the_apps_and_the_users_skills(app: RunningApp, agent: str):
    app.log_in()
    app.until_installed()
    shared = app.home / ".agents" / "skills"
    eventually((shared / OWN.name).is_symlink)
    (shared / "house-rules").mkdir(exist_ok=True)
    (shared / "house-rules" / "SKILL.md").write_text(TEXT)
    with app.owner.terminal() as terminal:
        _code, said = terminal.run_any(f"{LISTINGS[agent]} > ~/listing 2>&1; wc -l ~/listing")
    listing = (app.home / "listing").read_text()
    assert OWN.name in listing and "house-rules" in listing, said + listing[-2000:]


def test_the_command_lists_them_with_whose_they_are(app: RunningApp):
    app.until_installed()
    with app.owner.terminal() as terminal:
        said = terminal.run("jupyter dbx-agents skills")
    assert f"this app    {OWN.name}" in said
