"""MCP in the browser: the panel's servers, and an agent that answers with rows of the workspace."""

import json
import re
import shutil

import pytest
from playwright.sync_api import expect

from tests.support.agent_store import AgentStore
from tests.support.lab_page import LabPage
from tests.support.running_app import RunningApp, eventually

from .test_looks import as_if_installed, read_status_again, shoot

MCP = "/dbx-agents/api/mcp"
FUNCTIONS = "/api/2.0/mcp/functions/samples/tools"
QUERY = {"query": "SELECT name FROM samples.bakehouse.franchises ORDER BY revenue DESC"}


def server(app: RunningApp, name: str) -> dict:
    """The server's REST model; empty without one."""
    return next((each for each in app.status()["mcp"] if each["name"] == name), {})


def test_a_server_is_added_switched_off_and_removed_and_its_error_is_shown(
    lab: LabPage, app: RunningApp
):
    eventually(lambda: server(app, "dbx-sql")["state"] == "ready", 60, "the SQL server")
    lab.show_panel()
    section = lab.panel.get_by_role("region", name="Tools of the workspace (MCP)")
    tools = lab.section("Databricks CLI and skills")
    expect(tools).to_contain_text("not installed")
    tools.get_by_text("1 skill, for all agents").click()
    expect(tools.get_by_role("listitem")).to_contain_text("working-on-databricksthis app")
    update = tools.get_by_role("button", name="Update the Databricks CLI and the skills")
    skill = app.home / ".agents/skills/of-the-owner"
    skill.mkdir()
    (skill / "SKILL.md").write_text("---\nname: of-the-owner\ndescription: Does it.\n---\n")
    update.click()
    expect(tools.get_by_text("2 skills, for all agents")).to_be_visible()
    yours = tools.get_by_role("listitem").filter(has_text="of-the-owneryours")
    expect(yours).to_have_attribute("title", "Does it.")
    shutil.rmtree(skill)
    update.click()
    expect(tools.get_by_text("1 skill, for all agents")).to_be_visible()
    sql = section.get_by_role("listitem").filter(has_text="Databricks SQL")
    expect(sql).to_contain_text("3 tools")
    expect(sql).to_contain_text("ready")
    expect(section).to_contain_text("This workspace does not have it.")

    section.get_by_role("button", name="Add a server…").click()
    section.get_by_label("Name of the server").fill("tools")
    section.get_by_label("Address of the server").fill("/api/2.0/token/list")
    section.get_by_role("button", name="Add", exact=True).click()
    expect(lab.page.locator(".Toastify__toast")).to_contain_text("not an MCP server")
    section.get_by_label("Address of the server").fill(FUNCTIONS)
    section.get_by_role("button", name="Add", exact=True).click()
    added = section.get_by_role("listitem").filter(has_text="Remove")
    expect(added).to_contain_text("2 tools")

    switch = section.get_by_label("Offer tools to the agents")
    switch.click()
    eventually(lambda: server(app, "tools")["state"] == "off", 30, "off")
    expect(section.get_by_role("listitem").filter(has_text="tools").last).to_contain_text("off")
    section.get_by_role("button", name="Remove tools").click()
    expect(section.get_by_label("Offer tools to the agents")).to_have_count(0)

    fault = app.control.add_fault("/api/2.0/mcp/sql", "status", status=500, message="broken")
    app.owner.json("POST", f"{MCP}/dbx-sql/check")
    expect(sql).to_contain_text("broken")
    app.control.clear_faults(fault)
    section.get_by_role("button", name="Check dbx-sql").click()
    expect(sql).to_contain_text("ready")


@pytest.mark.timeout(600)
def test_an_agent_answers_with_rows_of_the_sample_table_once_its_owner_allows_the_call(
    lab: LabPage, app: RunningApp, agent_store: AgentStore
):
    agent_store.install(app, "claude-code")
    eventually(lambda: server(app, "dbx-sql")["state"] == "ready", 60, "the SQL server")
    settings = app.home / ".claude.json"
    eventually(lambda: "/mcp/dbx-sql" in settings.read_text(), 60, "the agent's servers")
    lab.open_launcher()
    lab.card("Claude Code").click()
    lab.until_screen("for shortcuts", 120)
    # An Enter right behind so much text is taken for a part of it.
    lab.page.keyboard.insert_text(f"tool: execute_sql_read_only {json.dumps(QUERY)}")
    lab.until_screen(r'revenue DESC"\}')
    lab.page.keyboard.press("Enter")
    asked = lab.until_screen(r"Do you want to proceed\?", 120)
    assert "dbx-sql" in asked
    assert "Crumbs" not in asked  # nothing is called before that
    while "Do you want to proceed?" in lab.screen()["text"]:  # it takes no Enter just after it came
        lab.page.keyboard.press("Enter")
        lab.page.wait_for_timeout(500)
    lab.until_screen(r"(?s)done: .*Baked\s+Bliss.*Golden\s+Crumbs", 120)
    lab.show_panel()
    # The picture is of a day on which all agents are installed.
    lab.page.route("**/dbx-agents/api/status?*", as_if_installed)
    read_status_again(lab)
    installs = lab.section("Agents").get_by_role("button", name=re.compile("^Install"))
    expect(installs).to_have_count(0)
    section = lab.section("Tools of the workspace (MCP)")
    section.evaluate("section => section.scrollIntoView()")
    shoot(lab.page, "first-day")
