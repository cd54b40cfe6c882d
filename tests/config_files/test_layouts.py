"""Layouts of users' files: what our keys leave of them, and that removal is the way back."""

import fcntl
import json
import logging
import os
import random
import re
import stat
from pathlib import Path

import pytest
import yaml

from jupyter_dbx_agents.config_files import ConfigFile, Format, ManagedFiles, managed
from jupyter_dbx_agents.config_files.jsonc import load_jsonc
from jupyter_dbx_agents.errors import ConfigFileError
from jupyter_dbx_agents.secret import Secret

STATE = ".local/state/jupyter_dbx_agents"
HERMES = {"model": {"default": "ours", "provider": "dbx"}, "security": {"tirith_enabled": False}}
CODEX = {
    "model": "ours",
    "features": {"plugins": False},
    "projects": {"/p": {"trust_level": "trusted"}},
}
PROFILE = {"DEFAULT": {"host": "ours", "token": Secret("s")}}
VARIABLES = {"GEMINI_MODEL": "ours", "GEMINI_API_KEY": Secret("s")}
OPENCODE = {
    "provider": {"dbx": {"name": "D", "models": {"m": {"limit": 1}}}},
    "instructions": ["/ours.md"],
    "share": "disabled",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file"


def written(path: Path, file_format: Format, keys: dict, before: str) -> str:
    """Write keys of ours, twice, and return the text; ``remove`` must then be the way back."""
    path.write_bytes(before.encode())
    path.chmod(0o644)
    files = ManagedFiles(path.parent)
    assert files.write(ConfigFile(path, file_format, keys))
    after = path.read_bytes().decode()
    assert not files.write(ConfigFile(path, file_format, keys))
    assert ManagedFiles(path.parent).remove(path)
    assert path.read_bytes().decode() == before
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    return after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", '{\n  "share": "disabled"\n}\n'),
        (" \n", '{\n  "share": "disabled"\n}\n'),
        ("{}", '{\n  "share": "disabled"\n}'),
        ("{ }\n", '{\n  "share": "disabled"\n}\n'),
        ('{"a":1}', '{"a":1,"share":"disabled"}'),
        ('{"a": 1}', '{"a": 1, "share": "disabled"}'),
        ('{"share": "auto", "a": 1E5}\n', '{"share": "disabled", "a": 1E5}\n'),
        ('{"share": null}\n', '{"share": "disabled"}\n'),
        (
            '{\r\n\t"l": [1, 2],\r\n\t"u": "\\u00e9 é"\r\n}',
            '{\r\n\t"l": [1, 2],\r\n\t"u": "\\u00e9 é",\r\n\t"share": "disabled"\r\n}',
        ),
        ('\ufeff{"a": 1}\n', '\ufeff{"a": 1, "share": "disabled"}\n'),
        ('{"a": 1, "a": 2}', '{"a": 1, "a": 2, "share": "disabled"}'),
        ('{\n"a": {\n"b" :[ ]}}', '{\n"a": {\n"b" :[ ]},\n"share": "disabled"}'),
    ],
)
@pytest.mark.parametrize("file_format", [Format.JSON, Format.JSONC])
def test_in_json_no_byte_but_ours_changes(path, file_format, before, after):
    assert written(path, file_format, {"share": "disabled"}, before) == after


JSONC_BEFORE = """// mine
{
  /* colours, "not": a key */
  "theme": "x", // a url: http://x
  "instructions": [
    "/mine.md", // first
  ],
  "provider": {
    // "dbx": none
  },
  "share": "auto", /* two
  lines */
}
"""
JSONC_AFTER = """// mine
{
  /* colours, "not": a key */
  "theme": "x", // a url: http://x
  "instructions": [
    "/mine.md", // first
    "/ours.md",
  ],
  "provider": {
    // "dbx": none
    "dbx": {
      "name": "D",
      "models": {
        "m": {
          "limit": 1
        }
      }
    }
  },
  "share": "disabled", /* two
  lines */
}
"""


def test_comments_and_trailing_commas_stay_where_an_agent_allows_them(path):
    assert written(path, Format.JSONC, OPENCODE, JSONC_BEFORE) == JSONC_AFTER


@pytest.mark.parametrize(
    "before",
    [
        '{"a": 1 // c\n}',
        '{ // c\n}',
        '{/* c */}',
        '{"provider": {}, // c\n "instructions": [ /* none */ ]}',
        '{"provider": {"mine": {},},}',
        '{"instructions": [\n"/mine.md"\n// last\n]\n}',
        '{"instructions": null, "provider": null}',
        '{\n  "provider": null, // none\n  "instructions": []\n}\n',
        '{"a": "// \\" /* ,}", "b": [",]"],}',
    ],
)  # fmt: skip
def test_any_layout_of_json_with_comments_is_merged_and_back(path, before):
    after = written(path, Format.JSONC, OPENCODE, before)
    assert '"/ours.md"' in after
    assert after.count("// c") == before.count("// c")


def random_json(dice: random.Random, depth: int = 0) -> str:
    """A text that JSONC allows, with what people and editors do to it."""

    def gap() -> str:
        return dice.choice(["", "", " ", "\n", "\n  ", "// x, }\n", "/* ], */", " /* a\n b */ "])

    kind = dice.choice(["{", "[", "value"]) if depth else "{"
    if kind == "value" or depth > 3:
        return dice.choice(["1E5", "null", '"// \\" ,]"', "true", "-0.10", '"\\u00e9"'])
    names = dice.sample(["a", "b", "c", "provider", "instructions", "share"], dice.randrange(4))
    items = [
        gap() + (f'"{name}"{gap()}:{gap()}' if kind == "{" else "") + random_json(dice, depth + 1)
        for name in names
    ]
    trailing = dice.choice(["", ","]) if items else ""
    inside = f"{gap()},".join(items) + gap() + trailing
    return f"{kind}{inside}{gap()}{'}' if kind == '{' else ']'}"


def test_of_random_layouts_of_json_each_is_merged_rightly_or_refused(path):
    dice, files = random.Random(1), ManagedFiles(path.parent)
    for _ in range(120):
        before = random_json(dice)
        path.write_text(before)
        try:
            files.write(ConfigFile(path, Format.JSONC, OPENCODE))
        except ConfigFileError as error:
            assert "should be a" in error.message, before
            continue
        values = load_jsonc(path.read_text())
        assert values["provider"]["dbx"]["name"] == "D"
        assert "/ours.md" in values["instructions"]
        assert path.read_text().count("/*") == before.count("/*")
        ManagedFiles(path.parent).remove(path)
        assert repr(load_jsonc(path.read_text())) == repr(load_jsonc(before)), before


def test_what_the_user_added_beside_ours_stays_with_its_comment(path):
    files = ManagedFiles(path.parent)
    path.write_text(JSONC_BEFORE)
    files.write(ConfigFile(path, Format.JSONC, OPENCODE))
    path.write_text(path.read_text().replace('"/ours.md",', '"/ours.md",\n    "/new.md" // new'))
    ManagedFiles(path.parent).remove(path)
    new = '"/mine.md", // first\n    "/new.md" // new'
    assert path.read_text() == JSONC_BEFORE.replace('"/mine.md", // first', new)


def test_comments_are_still_refused_where_the_agent_refuses_them(path):
    path.write_text('{\n  // mine\n  "a": 1\n}\n')
    with pytest.raises(ConfigFileError, match="line 2"):
        ManagedFiles(path.parent).write(ConfigFile(path, Format.JSON, {"b": 1}))


@pytest.mark.parametrize(
    ("before", "keys"),
    [
        ("base: &b\n  default: mine\n  provider: me\nmodel: *b\nfallback: *b\n", HERMES),
        ("base:\n  sub: &b {default: mine}\nmodel: *b\n", HERMES),
        ("model: &b\n  default: mine\nfallback: *b\n", HERMES),
        ("dirs: &d [/a, /b]\nskills: {external_dirs: *d}\n", {"skills": {"external_dirs": ["/o"]}}),
        (
            "d: &d {x: {external_dirs: [/a]}}\ns: {<<: *d}\n",
            {"s": {"x": {"external_dirs": ["/o"]}}},
        ),
    ],
)
def test_a_table_or_list_that_yaml_shares_with_another_place_is_refused(path, before, keys):
    path.write_text(before)
    with pytest.raises(ConfigFileError, match="without changing yours") as caught:
        ManagedFiles(path.parent).write(ConfigFile(path, Format.YAML, keys))
    assert "aliases" in caught.value.hint
    assert path.read_text() == before


@pytest.mark.parametrize(
    "before",
    [
        "model:\n  # default: x\nother: 1\n",
        "other: 1\nmodel: # why\n  # default: x\n",
        "model:\nother: 1",
        "base: &b\n  default: mine\n  provider: me\nmodel:\n  <<: *b\n  temperature: 1\n",
        "%YAML 1.2\n---\na: 1\n",
        "# mine\n--- # begins\na: 1\n",
        "\ufeff# c\t\r\nother: 1\r\n",
        "p: >-\n  one\n  two\n\n  three\nq: |+\n  x\n\n\nr: 1\n",
        "o: 0o17\no2: 017\nt: 12:30:45\nd: 2026-01-01T10:00:00Z\ny: yes\ns: 'it''s'\ne: 1e3\n",
        "x: &x {z: 1}\n<<: *x\nother: 1\n",
    ],
)
def test_any_layout_of_yaml_is_back(path, before):
    after = yaml.safe_load(written(path, Format.YAML, HERMES, before))
    assert after["security"] == HERMES["security"]
    assert after["model"] | HERMES["model"] == after["model"]


@pytest.mark.parametrize(
    ("file_format", "keys", "before"),
    [
        (Format.DOTENV, VARIABLES, "\ufeffGEMINI_MODEL=mine\nFOO=1\n"),
        (Format.DOTENV, VARIABLES, "FOO=1\nFOO=2\n"),
        (Format.DOTENV, VARIABLES, "FOO=1"),
        (Format.DOTENV, VARIABLES, "GEMINI_MODEL: mine\nFOO: 2\n"),
        (Format.DOTENV, VARIABLES, "GEMINI_MODEL=mine # why\n\n# more\nFOO=\n# x\n"),
        (Format.INI, PROFILE, "  [DEFAULT]\n  host = x\n"),
        (Format.INI, PROFILE, "[DEFAULT]\n[a]\nb=%(c)s"),
        (Format.TOML, CODEX, '\ufeffmodel = "mine"\n'),
        (Format.TOML, CODEX, 'model = "mine"'),
        (Format.TOML, CODEX, "[features]\n[projects]\n"),
        (Format.TOML, CODEX, '# c\r\nmodel = "mine" # why\r\n\r\n[features]\r\nx = true\r\n'),
        (
            Format.TOML,
            CODEX,
            '[features]\nx = 1\n[other]\ny = 1\n[features.sub]\nz = 1\n[[arr]]\nq = 1\n'
            '[projects."/q"]\ntrust_level = "x"\n',
        ),
        (Format.TEXT, {"section": "S"}, "\ufeffbe brief"),
    ],
)  # fmt: skip
def test_marks_lines_and_ends_of_files_are_back(path, file_format, keys, before):
    after = written(path, file_format, keys, before)
    assert after.startswith("\ufeff") == before.startswith("\ufeff")
    assert after.count("\r\n") == after.count("\n") * ("\r\n" in before)


def test_a_byte_order_mark_that_the_sdk_cannot_read_goes(path):
    path.write_text("\ufeff[DEFAULT]\nhost = x\n")
    files = ManagedFiles(path.parent)
    files.write(ConfigFile(path, Format.INI, PROFILE))
    assert path.read_text() == "[DEFAULT]\nhost = ours\ntoken = s\n"
    ManagedFiles(path.parent).remove(path)
    assert path.read_text() == "[DEFAULT]\nhost = x\n"


def test_what_reads_our_variables_and_what_writes_them_are_not_the_same_pattern(path, monkeypatch):
    from jupyter_dbx_agents.config_files import dotenv

    wrong = dotenv._VARIABLE.pattern.replace(r'\\"|', "")
    monkeypatch.setattr(dotenv, "_VARIABLE", re.compile(wrong, re.MULTILINE))
    before = 'FOO="a\\"\nGEMINI_MODEL=b"\n'
    path.write_text(before)
    with pytest.raises(ConfigFileError):
        ManagedFiles(path.parent).write(ConfigFile(path, Format.DOTENV, VARIABLES))
    assert path.read_text() == before


def test_an_indented_section_that_python_reads_as_a_value_is_reported_with_its_line(path):
    before = "[a]\nx = 1\n  [DEFAULT]\n  host = y\n"
    path.write_text(before)
    with pytest.raises(ConfigFileError, match=r"line 3, \[DEFAULT\] .* remove the blanks"):
        ManagedFiles(path.parent).write(ConfigFile(path, Format.INI, PROFILE))
    assert path.read_text() == before


def test_a_duplicate_of_ours_in_json_is_refused(path):
    path.write_text('{"t": {"k": 1}, "t": {"k": 2}}')
    with pytest.raises(ConfigFileError, match="the key t appears twice"):
        ManagedFiles(path.parent).write(ConfigFile(path, Format.JSON, {"t": {"k": 3}}))


def test_the_mode_is_back_although_our_keys_are_gone_already(path):
    path.write_text('{"a": 1}')
    path.chmod(0o644)
    files = ManagedFiles(path.parent)
    files.write(ConfigFile(path, Format.JSON, {"b": 1}))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text('{"a": 1}')
    ManagedFiles(path.parent).remove(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_hard_links_that_are_cut_are_said(path, caplog):
    path.write_text("{}")
    os.link(path, path.with_name("other"))
    with caplog.at_level(logging.WARNING):
        ManagedFiles(path.parent).write(ConfigFile(path, Format.JSON, {"b": 1}))
    assert f"Hard links to {path}" in caplog.text
    assert path.with_name("other").read_text() == "{}"


def test_items_of_ours_are_known_without_a_memory_though_port_and_secret_are_new(path):
    def keys(port: int, secret: str) -> dict:
        server = {"url": f"http://127.0.0.1:{port}/mcp", "key": Secret(secret)}
        return {"servers": [server], "hooks": [{"run": f"python{port} -m jupyter_dbx_agents"}]}

    before = '{\n  "servers": [\n    {"url": "http://127.0.0.1:1/mcp"}\n  ]\n}\n'
    path.write_text(before)
    files = ManagedFiles(path.parent)
    files.write(ConfigFile(path, Format.JSON, keys(1, "o" * 43)))
    (path.parent / STATE / "managed.json").unlink()
    files.write(ConfigFile(path, Format.JSON, keys(2, "n" * 43)))
    assert len(json.loads(path.read_text())["servers"]) == 2
    assert len(json.loads(path.read_text())["hooks"]) == 1
    ManagedFiles(path.parent).remove(path)
    assert path.read_text() == before


@pytest.mark.parametrize("damage", ["[]", "{}", '{"format": 1}', '"x"'])
def test_removal_survives_a_damaged_memory(path, damage):
    files = ManagedFiles(path.parent)
    files.write(ConfigFile(path, Format.JSON, {"a": 1}))
    state = json.dumps({"files": {str(path): json.loads(damage)}})
    (path.parent / STATE / "managed.json").write_text(state)
    assert ManagedFiles(path.parent).remove(path) is False
    assert files.write(ConfigFile(path, Format.JSON, {"a": 2}))


def test_a_server_that_was_stopped_in_the_middle_of_a_write_blocks_no_other(path, monkeypatch):
    monkeypatch.setattr(managed, "LOCK_SECONDS", 0.1)
    files = ManagedFiles(path.parent)
    files.write(ConfigFile(path, Format.JSON, {"a": 1}))
    with (path.parent / STATE / "managed.lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(ConfigFileError, match=r"managed.lock for 0.1 s") as caught:
            files.write(ConfigFile(path, Format.JSON, {"a": 2}))
    assert "suspended" in caught.value.hint
    assert files.write(ConfigFile(path, Format.JSON, {"a": 2}))
