"""Signing in, in a real browser: consent in a new tab, and the way back by paste or by callback."""

import re
from collections.abc import Iterator
from urllib.parse import urlencode, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from dbx_workspace.server import port_of, reserve_port
from jupyter_dbx_agents.pat.sign_in import CALLBACK_PATH
from tests.support.consent import answer as decide
from tests.support.consent import query
from tests.support.constants import NO_AGENTS, PAT
from tests.support.lab_page import LabPage
from tests.support.running_app import RunningApp, eventually
from tests.support.tabs import SIGN_IN_END, Tabs

GUEST = "guest@example.com"
ANSWER = f"{PAT}/sign-in/answer"


@pytest.fixture(autouse=True)
def usual_rules(app: RunningApp) -> Iterator[None]:
    """The workspace's rules are changed for one test only."""
    yield
    app.control.clear_faults()
    app.control.switch(tokens_disabled=False)
    app.control.rule_sign_in(signed_in="", allows_client=True)
    app.owner.json("DELETE", PAT)
    app.owner.json("DELETE", f"{PAT}/sign-in")


def consent(page: Page, link: str = "Sign in to Databricks", button: str = "Allow") -> str:
    """Click through the workspace's page in a new tab; return the address on which it ends."""
    with page.context.expect_page() as opened:
        page.get_by_role("link", name=link).click()
    tab = opened.value
    with tab.expect_event("requestfailed", lambda r: r.url.startswith(SIGN_IN_END)) as ended:
        tab.get_by_role("button", name=button).click()
    address = ended.value.url
    tab.close()
    return address


def paste(lab: LabPage, text: str) -> None:
    """Paste into the dialog's field and press Enter."""
    lab.dialog.locator("input").fill(text)
    lab.page.keyboard.press("Enter")


def error(lab: LabPage):
    return lab.dialog.locator(".jp-DbxAgents-error")


def kinds(app: RunningApp, since: int) -> list[str]:
    """The kind of each token that the workspace has issued since."""
    return [token["kind"] for token in app.control.tokens(app.lines["owner"])][since:]


@pytest.mark.parametrize("form", ["{}", "  {}  ", '"{}"', "code", "query"])
def test_the_address_is_pasted_back_in_any_form_and_no_token_is_pasted(
    asked: LabPage, app: RunningApp, form: str
):
    before = len(app.control.tokens(app.lines["owner"]))
    expect(asked.dialog.get_by_role("img")).to_be_visible()  # of what is to be copied
    address = consent(asked.page)
    texts = {"code": query(address)["code"], "query": urlsplit(address).query}
    paste(asked, texts.get(form) or form.format(address))
    expect(asked.dialog).to_have_count(0)
    asked.until_connected(app.lines["owner"])
    assert app.pat()["is_signed_in"]
    assert app.pat()["credential"] == "pat"
    assert kinds(app, before)[:2] == ["oauth", "pat"]
    eventually(lambda: app.pat()["rotations"] > 0, 60, "a rotation")


def test_where_pats_are_forbidden_pasting_leads_to_the_sign_in_whose_own_token_is_used(
    asked: LabPage, app: RunningApp
):
    app.control.switch(tokens_disabled=True)
    paste(asked, app.control.mint(app.lines["owner"]).token_value)
    expect(error(asked)).to_contain_text("Personal access tokens are disabled in this workspace")
    expect(error(asked)).to_contain_text("Sign in instead")
    paste(asked, consent(asked.page))
    expect(asked.dialog).to_have_count(0)
    assert app.pat()["credential"] == "oauth"
    asked.show_panel()
    expect(asked.section("Token")).to_contain_text("the sign-in's own token")


def test_a_denial_and_a_refused_client_are_shown_in_the_workspaces_words_and_can_be_tried_again(
    asked: LabPage, app: RunningApp
):
    paste(asked, consent(asked.page, button="Deny"))
    expect(error(asked)).to_contain_text("access_denied")
    expect(error(asked)).to_contain_text("denied access to databricks-cli")
    expect(asked.dialog.get_by_role("link", name="create a token")).to_be_visible()
    paste(asked, consent(asked.page))
    expect(asked.dialog).to_have_count(0)


def test_a_replayed_address_is_refused_in_words(asked: LabPage, app: RunningApp):
    address = consent(asked.page)
    paste(asked, address)
    expect(asked.dialog).to_have_count(0)
    app.owner.json("DELETE", PAT)
    asked.ask_for_token()
    expect(asked.dialog.get_by_role("link", name="Sign in to Databricks")).to_be_visible()
    paste(asked, address)
    expect(error(asked)).to_contain_text("the answer to an earlier sign-in")
    paste(asked, query(address)["code"])
    expect(error(asked)).to_contain_text("did not accept this answer")


def test_a_strangers_code_is_refused_in_words_with_and_without_its_state(
    asked: LabPage, app: RunningApp
):
    """Whoever gets the owner to paste it would connect this app to their own account."""
    link = asked.dialog.get_by_role("link", name="Sign in to Databricks")
    address = link.get_attribute("href") or ""
    others = {"state": "a-strangers-state-0123456789", "code_challenge": "0" * 43}
    theirs = decide(f"{address.partition('?')[0]}?{urlencode(query(address) | others)}")
    paste(asked, theirs)
    expect(error(asked)).to_contain_text("somebody else's")
    paste(asked, query(theirs)["code"])
    expect(error(asked)).to_contain_text("did not accept this answer")
    assert app.pat()["expires_at"] is None
    paste(asked, consent(asked.page))
    expect(asked.dialog).to_have_count(0)


def test_a_token_that_cannot_renew_itself_is_refused_by_name_and_leads_to_the_sign_in(
    asked: LabPage, app: RunningApp
):
    narrow = app.control.mint(app.lines["owner"], scopes=["model-serving", "sql"]).token_value
    paste(asked, narrow)
    expect(error(asked)).to_contain_text("“authentication”")
    expect(error(asked)).to_contain_text("Sign in instead")
    assert app.pat()["expires_at"] is None
    paste(asked, consent(asked.page))
    expect(asked.dialog).to_have_count(0)
    assert app.pat()["is_signed_in"]


def test_another_users_sign_in_is_refused_in_words(asked: LabPage, app: RunningApp):
    app.control.add_user(GUEST)
    app.control.rule_sign_in(signed_in=GUEST)
    paste(asked, consent(asked.page))
    expect(error(asked)).to_contain_text("a different user than the owner of this app")
    assert app.pat()["expires_at"] is None


def test_an_address_of_elsewhere_is_refused_without_a_call_to_the_workspace(
    asked: LabPage, app: RunningApp
):
    expect(asked.dialog.get_by_role("link", name="Sign in to Databricks")).to_be_visible()
    before = len(app.control.requests(path="/oidc/v1/token"))
    paste(asked, "https://evil.example/?code=12345678&state=12345678")
    expect(error(asked)).to_contain_text("an address of evil.example")
    paste(asked, "ghp_" + "0" * 36)
    expect(error(asked)).to_contain_text("a GitHub token")
    assert len(app.control.requests(path="/oidc/v1/token")) == before


def test_a_workspace_without_a_sign_in_leaves_the_way_by_paste(new_lab: LabPage, app: RunningApp):
    app.owner.json("DELETE", PAT)
    app.control.add_fault("/oidc/.well-known", "status", status=404, message="No such page.")
    new_lab.open()
    expect(new_lab.dialog).to_contain_text("No such page.")
    new_lab.give_token(app.control.mint(app.lines["owner"]).token_value)
    expect(new_lab.dialog).to_have_count(0)


def test_the_plain_page_signs_in_without_scripts(chromium: Browser, app: RunningApp):
    app.owner.json("DELETE", PAT)
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(app.lines["open"] + "/dbx-agents/")
    begin = page.get_by_role("button", name="Sign in to Databricks")
    if begin.count():  # another window has not begun
        begin.press("Enter")
    expect(page.get_by_role("img")).to_be_visible()
    denied = consent(page, "Open the sign-in page", "Deny")
    page.get_by_label("Paste the address here").fill(denied)
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("access_denied")
    page.get_by_label("Paste the address here").fill(consent(page, "Open the sign-in page"))
    page.keyboard.press("Enter")
    expect(page.locator("[data-state=active]")).to_be_visible()
    context.close()
    assert app.pat()["is_signed_in"]


def test_the_terminals_prompt_takes_the_address(asked: LabPage, app: RunningApp):
    lab = asked
    address = consent(lab.page)
    lab.dialog.get_by_role("button", name="Not now").click()
    lab.open_launcher()
    lab.terminal_card().click()
    screen = lab.until_screen("Paste address or token")
    assert "Sign in: http" in screen
    lab.type(address)
    text = lab.until_screen(rf"Connected as {re.escape(app.lines['owner'])}")
    assert query(address)["code"] not in text
    lab.until_screen(r"[$#]$")


@pytest.fixture(scope="module")
def own_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    """An app with a client and a redirect of its own, which an administrator has registered."""
    folder = tmp_path_factory.mktemp("own")
    with reserve_port() as reserved:
        port = port_of(reserved)
        callback = f"http://127.0.0.1:{port}{CALLBACK_PATH}"
        traits = ["--SignIn.client_id=our-app", f"--SignIn.redirect_url={callback}"]
        running = RunningApp(
            folder / "home", folder / "log", "--debug", *traits, NO_AGENTS, port=port
        )
        running.control.add_oauth_client("our-app", [callback])
        yield running
        running.stop()


def test_with_a_client_of_its_own_one_click_is_enough(
    tabs: Tabs, own_client: RunningApp, chromium: Browser
):
    lab = LabPage(tabs.new_context().new_page(), own_client.lines["open"])
    lab.open()
    expect(lab.dialog).to_contain_text("when you have finished there")
    with lab.page.context.expect_page() as opened:
        lab.dialog.get_by_role("link", name="Sign in to Databricks").click()
    opened.value.get_by_role("button", name="Allow").click()
    expect(opened.value.locator("[data-state=active]")).to_be_visible()
    assert "code=" not in opened.value.url
    expect(lab.dialog).to_have_count(0)
    lab.until_connected(own_client.lines["owner"])
    own_client.owner.json("DELETE", PAT)


def test_the_callback_refuses_what_no_sign_in_here_has_asked_for(
    tabs: Tabs, own_client: RunningApp, chromium: Browser
):
    own_client.owner.json("DELETE", PAT)
    own_client.owner.json("POST", f"{PAT}/sign-in")
    page = tabs.new_context().new_page()
    for fields in ("code=stolen-1234", "code=stolen-1234&state=guess-1234", "", "code=a&code=b"):
        answer = page.goto(f"{own_client.lines['open']}{CALLBACK_PATH}?{fields}")
        assert answer is not None
        assert answer.status == 400
        expect(page.get_by_role("alert")).to_be_visible()
        assert "stolen" not in page.content()
    stranger = page.goto(f"{own_client.lines['stranger']}{CALLBACK_PATH}?code=stolen-1234")
    assert stranger is not None
    assert stranger.status == 403
    page.goto(f"{own_client.lines['open']}{CALLBACK_PATH}/?code=stolen-1234")
    assert own_client.pat()["expires_at"] is None
    log = own_client.log.read_text()
    assert CALLBACK_PATH in log
    assert "stolen-1234" not in log
    assert "guess-1234" not in log
