"""Whatever is pasted at the prompt, the shell behind it sees none of it."""

import re
from collections.abc import Iterator

import pytest

from tests.support.consent import answer
from tests.support.constants import PAT
from tests.support.running_app import RunningApp, eventually
from tests.support.terminal_client import TerminalClient

PROMPT = r"Paste address or token; it stays hidden \(or press Enter to skip\): "


@pytest.fixture
def prompt(app: RunningApp) -> Iterator[TerminalClient]:
    """A terminal that asks for a token."""
    app.owner.json("DELETE", PAT)
    with app.owner.terminal() as terminal:
        terminal.expect(PROMPT)
        yield terminal


def fresh(app: RunningApp) -> str:
    return app.control.mint(app.lines["owner"]).token_value


def check_that_nothing_of_it_is_left(
    app: RunningApp, terminal: TerminalClient, pasted: str
) -> None:
    terminal.run("history -a; echo $HISTFILE")
    assert pasted not in terminal.output
    assert "command not found" not in terminal.output
    history = app.home / ".bash_history"
    assert not history.exists() or pasted not in history.read_text()


@pytest.mark.parametrize("form", ["{}\n", "\n{}\n", "\r\n\r\n  {} \r\n", "{0}\n{0}\n", "{}\nls\n"])
def test_a_paste_of_any_form_is_one_token_and_nothing_else(
    app: RunningApp, prompt: TerminalClient, form: str
):
    pasted = fresh(app)
    prompt.type(form.format(pasted))
    prompt.expect("Connected as")
    prompt.until_shell()
    check_that_nothing_of_it_is_left(app, prompt, pasted)
    assert app.pat()["pasted"]["state"] == "revoked"


def test_what_is_pasted_before_the_prompt_shows_is_hidden_too(app: RunningApp):
    app.owner.json("DELETE", PAT)
    pasted = fresh(app)
    with app.owner.terminal() as terminal:
        terminal.type(f"{pasted}\n")
        terminal.expect("Connected as|Token ")
        assert pasted not in terminal.output


def test_a_paste_without_enter_is_dropped_when_a_token_is_given_elsewhere(
    app: RunningApp, prompt: TerminalClient
):
    pasted = fresh(app)
    prompt.type(pasted)
    app.log_in()
    prompt.expect("Connected from another window")
    prompt.until_shell()
    check_that_nothing_of_it_is_left(app, prompt, pasted)


@pytest.mark.parametrize("keys", ["\n", "\x03", "\x04"])
def test_enter_ctrl_c_and_ctrl_d_go_on_to_the_shell_without_a_token(
    app: RunningApp, prompt: TerminalClient, keys: str
):
    prompt.type(keys)
    prompt.until_shell()
    assert prompt.run("echo in a shell").strip() == "in a shell"
    assert app.pat()["state"] == "needed"


def test_a_token_that_cannot_renew_itself_is_refused_by_name_and_leads_to_the_sign_in(
    app: RunningApp, prompt: TerminalClient
):
    """At the prompt of a new terminal, and by the command."""
    prompt.type("\n")
    prompt.until_shell()
    narrow = app.control.mint(app.lines["owner"], scopes=["model-serving", "sql"]).token_value
    with app.owner.terminal() as other:
        other.expect(PROMPT)
        for terminal in (prompt, other):
            if terminal is prompt:
                terminal.type("jupyter dbx-agents login\n")
                terminal.expect(PROMPT)
            terminal.type(f"{narrow}\n")
            terminal.expect("required scopes: authentication")
            terminal.expect("Sign in instead")
            terminal.expect(PROMPT)
        address = re.findall(r"Sign in: (http\S+)", other.output)[-1]
        other.type(f"{answer(address)}\n")
        other.expect("Connected as")
    prompt.expect("Connected from another window")
    assert app.pat()["is_signed_in"]
    check_that_nothing_of_it_is_left(app, prompt, narrow)


def test_a_kernel_alone_keeps_the_pat_alive(app: RunningApp):
    app.log_in()
    kernel = app.owner.json("POST", "/api/kernels")
    before = app.pat()["rotations"]
    eventually(lambda: app.pat()["rotations"] > before, 20)
    app.owner.json("DELETE", f"/api/kernels/{kernel['id']}")
