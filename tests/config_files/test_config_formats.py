"""YAML, ``.env`` and texts for people: ours is added, theirs stays; and a lost memory."""

import json
import textwrap
from pathlib import Path

import pytest
import yaml

from jupyter_dbx_agents.config_files import ConfigFile, Format, ManagedFiles
from jupyter_dbx_agents.errors import ConfigFileError
from jupyter_dbx_agents.secret import Secret

YAML_BEFORE = """# how I like it
model:
    default: my-model   # cheap
    provider: "mine"

toolsets:
    - all
    - 'web'

skills:
    external_dirs: [/mine]
display: {compact: yes, skin: mono}   # a long comment that no editor may break: it is long
"""
YAML_KEYS = {
    "model": {"default": "ours", "provider": "dbx", "context_length": 200000},
    "skills": {"external_dirs": ["/shared"]},
    "providers": {"dbx": {"api_key": Secret("local-secret"), "discover_models": False}},
}
YAML_AFTER = """# how I like it
model:
    default: ours   # cheap
    provider: "dbx"

    context_length: 200000
toolsets:
    - all
    - 'web'

skills:
    external_dirs: [/mine, /shared]
display: {compact: yes, skin: mono}   # a long comment that no editor may break: it is long
providers:
    dbx:
        api_key: local-secret
        discover_models: false
"""
DOTENV_BEFORE = """# mine
export OTHER="two
lines"
GEMINI_MODEL='my model' # why
EMPTY="""
DOTENV_KEYS = {"GEMINI_MODEL": "ours", "GEMINI_API_KEY": Secret("local-secret")}
DOTENV_AFTER = """# mine
export OTHER="two
lines"
GEMINI_MODEL=ours
EMPTY=
GEMINI_API_KEY=local-secret"""
TEXT_BEFORE = "# My rules\n\nBe brief.\n\n\n"
TEXT_KEYS = {"section": "You are here.\n\nCommit."}
TEXT_AFTER = (
    "<!-- jupyter_dbx_agents: written at each start; write your own below -->\n"
    "You are here.\n\nCommit.\n<!-- end of jupyter_dbx_agents -->\n\n# My rules\n\nBe brief.\n\n\n"
)
GOLDEN = [
    pytest.param((Format.YAML, YAML_KEYS, YAML_BEFORE, YAML_AFTER), id="yaml"),
    pytest.param((Format.DOTENV, DOTENV_KEYS, DOTENV_BEFORE, DOTENV_AFTER), id="dotenv"),
    pytest.param((Format.TEXT, TEXT_KEYS, TEXT_BEFORE, TEXT_AFTER), id="text"),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file"


@pytest.mark.parametrize("case", GOLDEN)
def test_ours_is_added_twice_makes_no_difference_and_removal_restores(tmp_path, path, case):
    file_format, keys, before, after = case
    path.write_text(before)
    files = ManagedFiles(tmp_path)
    assert files.write(ConfigFile(path, file_format, keys))
    assert path.read_text() == after
    assert not files.write(ConfigFile(path, file_format, keys))
    ManagedFiles(tmp_path).remove(path)  # by another process
    # In YAML, quotes of a value that comes back are lost.
    assert path.read_text().replace('"mine"', "mine") == before.replace('"mine"', "mine")


@pytest.mark.parametrize("case", GOLDEN)
def test_who_wrote_a_file_that_nobody_edits_restores_it_byte_for_byte(tmp_path, path, case):
    file_format, keys, before, _ = case
    path.write_text(before)
    files = ManagedFiles(tmp_path)
    files.write(ConfigFile(path, file_format, keys))
    files.remove(path)
    assert path.read_text() == before
    files.write(ConfigFile(path, file_format, keys))
    written = path.read_text()
    path.write_text(written + "\n")  # an edit
    files.write(ConfigFile(path, file_format, keys))
    path.write_text(written)
    files.remove(path)
    assert path.read_text().split() != written.split()


@pytest.mark.parametrize("case", GOLDEN)
def test_a_file_that_we_made_goes_when_we_go(tmp_path, path, case):
    file_format, keys, _, _ = case
    files = ManagedFiles(tmp_path)
    files.write(ConfigFile(path, file_format, keys))
    assert path.stat().st_mode & 0o077 == 0
    ManagedFiles(tmp_path).remove(path)
    assert not path.exists()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only a comment\n",
        "{}\n",
        "---\nmodel: {default: x}\n",
        "a: &x {b: 1}\nc: *x\n",
        "model:\n- not a table\n",
        "list:\n- a\n- b\nmodel:\n  default: |\n    two\n    lines\n",
        "on: yes\nnumber: 1_000\ndate: 2026-01-01\nempty:\n",
        "model: {default: x}  # flow\nzeit: 'größe'\n",
    ],
)
def test_any_layout_of_yaml_is_merged_rightly_or_left_alone(tmp_path, path, text):
    path.write_text(text)
    files = ManagedFiles(tmp_path)
    try:
        files.write(ConfigFile(path, Format.YAML, YAML_KEYS))
    except ConfigFileError as error:
        assert error.hint
        assert path.read_text() == text
        return
    before, values = yaml.safe_load(text) or {}, yaml.safe_load(path.read_text())
    assert values["providers"] == {"dbx": {"api_key": "local-secret", "discover_models": False}}
    assert {k: v for k, v in values.items() if k in before and k != "model"} == {
        k: v for k, v in before.items() if k != "model"
    }
    ManagedFiles(tmp_path).remove(path)
    assert (yaml.safe_load(path.read_text()) or {}) == before
    assert path.read_text().count("# only a comment") == text.count("# only a comment")


@pytest.mark.parametrize(
    ("file_format", "text", "named"),
    [
        (Format.YAML, "a: 1\nb: [1\n", "line"),
        (Format.YAML, "a: 1\na: 2\n", "line"),
        (Format.YAML, "- a\n", "not a mapping"),
        (Format.YAML, "a: !!python/object:x {}\n", "line 1"),
        (Format.DOTENV, "NEW=1\nNEW=2\n", "NEW appears twice"),
        (Format.DOTENV, 'A="no end\n', "does not end"),
        (Format.TEXT, TEXT_AFTER.split("Commit", maxsplit=1)[0], "is missing"),
    ],
)
def test_an_unsound_file_is_reported_and_left_alone(tmp_path, path, file_format, text, named):
    path.write_text(text)
    keys = {"section": "x"} if file_format is Format.TEXT else {"NEW": "x"}
    with pytest.raises(ConfigFileError, match=named):
        ManagedFiles(tmp_path).write(ConfigFile(path, file_format, keys))
    assert path.read_text() == text


@pytest.mark.parametrize(
    "text",
    [
        'FOO="a\\"\nGEMINI_MODEL=b"\nX=1\n',
        "FOO=`a\nGEMINI_MODEL=b`\n",
        "FOO=a\u2028GEMINI_MODEL=b\nBAR=x\x0cGEMINI_MODEL=z\n",
        "FOO='a' GEMINI_MODEL=\nBAR=1\n",
        "export GEMINI_MODEL = mine # why\r\n\r\n  FOO=1\r\n",
    ],
)
def test_a_variable_in_a_users_value_is_not_ours_and_everything_is_back(tmp_path, path, text):
    path.write_bytes(text.encode())
    files = ManagedFiles(tmp_path)
    assert files.write(ConfigFile(path, Format.DOTENV, DOTENV_KEYS))
    written = path.read_bytes().decode()
    theirs = [line for line in text.split("\n") if "= mine" not in line]
    assert [line for line in written.split("\n") if line in theirs] == theirs
    assert written.count("=ours") + written.count("= ours") == 1
    ManagedFiles(tmp_path).remove(path)
    assert path.read_bytes().decode() == text


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize(
    "case",
    [
        (Format.YAML, "model:\r\n  default: x # mine\r\n", YAML_KEYS),
        (Format.YAML, "# only a comment\r\n", YAML_KEYS),
        (Format.TEXT, "# My rules\r\n\r\nBe brief.\r\n", TEXT_KEYS),
    ],
)
def test_lines_and_marks_of_windows_stay(tmp_path, path, mark, case):
    file_format, text, keys = case
    before = (mark + text).encode()
    path.write_bytes(before)
    files = ManagedFiles(tmp_path)
    assert files.write(ConfigFile(path, file_format, keys))
    written = path.read_bytes()
    assert written.startswith(mark.encode())
    assert written.count(mark.encode()) == 1 or not mark
    if file_format is Format.YAML:
        assert written.count(b"\n") == written.count(b"\r\n")
    else:
        assert written.endswith(text.encode())
        path.write_bytes(written.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    assert not files.write(ConfigFile(path, file_format, keys))
    ManagedFiles(tmp_path).remove(path)
    assert path.read_bytes() == before


def test_a_section_stays_where_the_user_moved_it_and_is_brought_up_to_date(tmp_path, path):
    files = ManagedFiles(tmp_path)
    files.write(ConfigFile(path, Format.TEXT, TEXT_KEYS))
    path.write_text("mine first\n" + path.read_text() + "\nmine last\n")
    files.write(ConfigFile(path, Format.TEXT, {"section": "new"}))
    lines = path.read_text().splitlines()
    assert (lines[0], lines[2], lines[-1]) == ("mine first", "new", "mine last")
    ManagedFiles(tmp_path).remove(path)
    assert path.read_text() == "mine first\n\nmine last\n"


OLD, NEW = "o" * 43, "n" * 43


def claude_keys(port: int, secret: str, model: str = "m") -> dict:
    return {
        "env": {
            "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{port}/anthropic",
            "ANTHROPIC_AUTH_TOKEN": Secret(secret),
            "ANTHROPIC_MODEL": model,
        },
        "permissions": {"deny": ["WebSearch"]},
    }


@pytest.mark.parametrize("damage", ["", "{half", '{"files": {"PATH": {"format": "json"}}}', "[]"])
def test_a_leftover_of_ours_is_not_taken_for_the_users_when_the_memory_is_lost(
    tmp_path, path, damage
):
    path.write_text('{"theme": "dark"}')
    files = ManagedFiles(tmp_path)
    files.write(ConfigFile(path, Format.JSON, claude_keys(1, OLD, "old")))
    state = tmp_path / ".local/state/jupyter_dbx_agents/managed.json"
    state.write_text(damage.replace("PATH", str(path))) if damage else state.unlink()
    files.write(ConfigFile(path, Format.JSON, claude_keys(2, NEW)))
    assert OLD not in state.read_text()
    ManagedFiles(tmp_path).remove(path)
    assert json.loads(path.read_text()) == {"theme": "dark"}


def test_a_leftover_profile_is_known_by_its_metadata_service(tmp_path, path):
    def keys(port, secret, token):
        url = f"http://127.0.0.1:{port}/metadata/{secret}"
        return {"DEFAULT": {"metadata_service_url": Secret(url), "token": Secret(token)}}

    files = ManagedFiles(tmp_path)
    files.write(ConfigFile(path, Format.INI, keys(1, OLD, "dapi-old")))
    path.write_text(path.read_text() + "\n[other]\nhost = x\n")
    (tmp_path / ".local/state/jupyter_dbx_agents/managed.json").unlink()
    files.write(ConfigFile(path, Format.INI, keys(2, NEW, "dapi-new")))
    ManagedFiles(tmp_path).remove(path)
    assert path.read_text().split() == ["[other]", "host", "=", "x"]


@pytest.mark.parametrize(
    "own",
    [
        {"ANTHROPIC_BASE_URL": "http://127.0.0.1:4000/anthropic", "ANTHROPIC_AUTH_TOKEN": "sk-1"},
        {"ANTHROPIC_BASE_URL": "http://127.0.0.1:4000/other", "ANTHROPIC_AUTH_TOKEN": OLD},
        {"ANTHROPIC_BASE_URL": "https://example.com/anthropic", "ANTHROPIC_AUTH_TOKEN": OLD},
    ],
)
def test_a_users_own_proxy_is_the_users(tmp_path, path, own):
    path.write_text(json.dumps({"env": own}))
    files = ManagedFiles(tmp_path)
    files.write(ConfigFile(path, Format.JSON, claude_keys(1, NEW)))
    ManagedFiles(tmp_path).remove(path)
    assert json.loads(path.read_text()) == {"env": own}


def test_the_texts_of_these_tests_are_what_they_seem():
    assert yaml.safe_load(YAML_BEFORE)["display"]["compact"] is True
    assert textwrap.dedent(DOTENV_BEFORE) == DOTENV_BEFORE
