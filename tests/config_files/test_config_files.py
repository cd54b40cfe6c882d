"""Other programs' configuration files: ours is added, theirs stays, and ours goes again."""

import json
import resource
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from jupyter_dbx_agents.config_files import ConfigFile, Format, Initial, ManagedFiles
from jupyter_dbx_agents.errors import ConfigFileError
from jupyter_dbx_agents.secret import Secret

JSON_BEFORE = """{
    "theme": "dark",
    "env": {
        "MY_VARIABLE": "mine",
        "ANTHROPIC_MODEL": "my-model"
    },
    "permissions": {
        "deny": ["Read(./.env)"],
        "allow": ["Bash(make:*)"]
    },
    "größe": 1.50
}
"""
JSON_KEYS = {
    "env": {"ANTHROPIC_AUTH_TOKEN": Secret("local-secret"), "ANTHROPIC_MODEL": "ours"},
    "permissions": {"deny": ["WebSearch"]},
    "new": {"deep": {"flag": True}},
}
JSON_AFTER = """{
    "theme": "dark",
    "env": {
        "MY_VARIABLE": "mine",
        "ANTHROPIC_MODEL": "ours",
        "ANTHROPIC_AUTH_TOKEN": "local-secret"
    },
    "permissions": {
        "deny": ["Read(./.env)", "WebSearch"],
        "allow": ["Bash(make:*)"]
    },
    "größe": 1.50,
    "new": {
        "deep": {
            "flag": true
        }
    }
}
"""
TOML_BEFORE = """# my settings
model = "gpt-mine"   # I like this one
approval_policy = "on-request"

[tui] # colours
theme = "dark"

[model_providers.mine]
base_url = "https://example.com"   # keep

[mcp_servers.x]
command = "x"
"""
TOML_KEYS = {
    "model": "ours",
    "web_search": "disabled",
    "features": {"daemon_auto_start": False},
    "model_providers": {"dbx": {"name": "Databricks", "token": Secret("s")}},
    "projects": {"/home/a b/x.y": {"trust_level": "trusted"}},
}
TOML_AFTER = """# my settings
model = "ours"   # I like this one
approval_policy = "on-request"
web_search = "disabled"

[tui] # colours
theme = "dark"

[model_providers.mine]
base_url = "https://example.com"   # keep

[model_providers.dbx]
name = "Databricks"
token = "s"
[mcp_servers.x]
command = "x"

[features]
daemon_auto_start = false

[projects."/home/a b/x.y"]
trust_level = "trusted"
"""
INI_BEFORE = """; written by hand
[DEFAULT]
# production
host  = https://old.example.com
token = dapi-mine
  continued
cluster_id = 1-2-x

[staging]
host: https://staging.example.com
client_id=abc   ; not a comment, part of the value
"""
INI_KEYS = {
    "DEFAULT": {
        "host": "https://new.example.com",
        "auth_type": "metadata-service",
        "token": Secret("dapi-ours"),
    }
}
INI_AFTER = """; written by hand
[DEFAULT]
# production
host = https://new.example.com
token = dapi-ours
cluster_id = 1-2-x
auth_type = metadata-service

[staging]
host: https://staging.example.com
client_id=abc   ; not a comment, part of the value
"""
GOLDEN = [
    pytest.param(Format.JSON, JSON_KEYS, JSON_BEFORE, JSON_AFTER, id="json"),
    pytest.param(Format.TOML, TOML_KEYS, TOML_BEFORE, TOML_AFTER, id="toml"),
    pytest.param(Format.INI, INI_KEYS, INI_BEFORE, INI_AFTER, id="ini"),
]
STATE = ".local/state/jupyter_dbx_agents/managed.json"


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if ".tmp" in path.name]


@pytest.mark.parametrize(("file_format", "keys", "before", "after"), GOLDEN)
def test_our_keys_are_added_and_the_users_file_stays_as_it_was(
    home, file_format, keys, before, after
):
    path = put(home / "file", before)
    assert ManagedFiles(home).write(ConfigFile(path, file_format, keys)) is True
    assert path.read_text() == after


@pytest.mark.parametrize(("file_format", "keys", "before", "after"), GOLDEN)
def test_removal_restores_what_the_user_had(home, file_format, keys, before, after):
    path = put(home / "file", before)
    ManagedFiles(home).write(ConfigFile(path, file_format, keys))
    assert ManagedFiles(home).remove(path) is True
    assert path.read_text() == before.replace("host  =", "host =")
    assert ManagedFiles(home).paths() == []


@pytest.mark.parametrize(("file_format", "keys", "before", "after"), GOLDEN)
def test_a_file_that_we_made_goes_when_we_go(home, file_format, keys, before, after):
    path = home / ".tool" / "file"
    files = ManagedFiles(home)
    files.write(ConfigFile(path, file_format, keys))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    ManagedFiles(home).remove(path)
    assert not path.exists()


@pytest.mark.parametrize(("file_format", "keys", "before", "after"), GOLDEN)
def test_writing_the_same_twice_does_not_touch_the_file(home, file_format, keys, before, after):
    path = put(home / "file", before)
    files = ManagedFiles(home)
    files.write(ConfigFile(path, file_format, keys))
    stamps = [(p.stat().st_mtime_ns, p.stat().st_ino) for p in (path, home / STATE)]
    assert files.write(ConfigFile(path, file_format, keys)) is False
    assert [(p.stat().st_mtime_ns, p.stat().st_ino) for p in (path, home / STATE)] == stamps


def test_odd_formatting_is_not_corrected_when_nothing_changes(home):
    path = put(home / "file", '{"a":   1,\n"b" :[ 1,2 ]}')
    path.chmod(0o600)
    assert ManagedFiles(home).write(ConfigFile(path, Format.JSON, {"a": 1})) is False
    assert path.read_text() == '{"a":   1,\n"b" :[ 1,2 ]}'


def test_true_and_one_are_not_the_same(home):
    path = put(home / "file", '{"a": 1}')
    ManagedFiles(home).write(ConfigFile(path, Format.JSON, {"a": True}))
    assert path.read_text() == '{"a": true}'


def test_no_secret_of_ours_is_remembered_in_clear(home):
    files = ManagedFiles(home)
    for number in range(3):
        keys = {"DEFAULT": {"token": Secret(f"dapi-{number}")}}
        files.write(ConfigFile(home / ".databrickscfg", Format.INI, keys))
    assert "dapi-" not in (home / STATE).read_text()
    assert stat.S_IMODE((home / STATE).stat().st_mode) == 0o600
    assert stat.S_IMODE((home / STATE).parent.stat().st_mode) == 0o700
    assert "dapi-2" in (home / ".databrickscfg").read_text()
    assert "dapi-2" not in repr(ConfigFile(home, Format.INI, keys))


def test_a_secret_in_an_object_of_a_list_is_written_and_not_remembered(home):
    path, files = put(home / "file", '{"models": [{"key": "mine"}]}'), ManagedFiles(home)
    for number in range(2):
        files.write(ConfigFile(path, Format.JSON, {"models": [{"key": Secret(f"ours-{number}")}]}))
    assert json.loads(path.read_text()) == {"models": [{"key": "mine"}, {"key": "ours-1"}]}
    assert "ours-" not in (home / STATE).read_text()
    ManagedFiles(home).remove(path)
    assert json.loads(path.read_text()) == {"models": [{"key": "mine"}]}


def test_a_value_that_the_user_changed_since_is_left_to_them(home):
    path = put(home / "file", "{}")
    files = ManagedFiles(home)
    files.write(ConfigFile(path, Format.JSON, {"model": "ours", "other": "ours"}))
    path.write_text('{"model": "theirs", "other": "ours"}')
    ManagedFiles(home).remove(path)
    assert json.loads(path.read_text()) == {"model": "theirs"}


@pytest.mark.parametrize("format_name", ["JSON", "TOML", "YAML"])
def test_an_initial_value_follows_us_until_somebody_changes_it(home, format_name):
    path, file_format = home / "f", Format[format_name]

    def write(value: str) -> str:
        files.write(ConfigFile(path, file_format, {"model": Initial(value), "other": value}))
        return path.read_text()

    files = ManagedFiles(home)
    write("one")
    assert write("two").count("two") == 2
    path.write_text(path.read_text().replace("two", "mine", 1))
    for value in ("two", "one", "three"):
        text = write(value)
        assert (text.count("mine"), text.count(value)) == (1, 1)
    files.remove(path)
    assert "mine" in path.read_text()


def test_a_changed_value_is_replaced_and_comes_back_at_removal(home):
    path = put(home / "file", '{"model": "first"}')
    files = ManagedFiles(home)
    files.write(ConfigFile(path, Format.JSON, {"model": "ours"}))
    path.write_text('{"model": "second"}')
    files.write(ConfigFile(path, Format.JSON, {"model": "ours"}))
    assert json.loads(path.read_text()) == {"model": "ours"}
    ManagedFiles(home).remove(path)
    assert json.loads(path.read_text()) == {"model": "second"}


def test_a_key_that_is_wanted_no_more_is_released(home):
    path = put(home / "file", INI_BEFORE)
    files = ManagedFiles(home)
    files.write(ConfigFile(path, Format.INI, INI_KEYS))
    without_token = {"DEFAULT": {k: v for k, v in INI_KEYS["DEFAULT"].items() if k != "token"}}
    files.write(ConfigFile(path, Format.INI, without_token))
    assert "dapi-ours" not in path.read_text()
    assert "auth_type = metadata-service" in path.read_text()


def test_a_key_that_must_be_absent_is_put_back_at_removal(home):
    path = put(home / "file", INI_BEFORE)
    files = ManagedFiles(home)
    for token in (Secret("dapi-1"), None, Secret("dapi-2"), None):
        keys = {"DEFAULT": {**INI_KEYS["DEFAULT"], "token": token}}
        files.write(ConfigFile(path, Format.INI, keys))
        assert "dapi-mine" not in path.read_text()
        assert ("token" in path.read_text()) is bool(token)
        assert files.write(ConfigFile(path, Format.INI, keys)) is False
    ManagedFiles(home).remove(path)
    assert "token = dapi-mine" in path.read_text()


def test_only_our_items_of_a_list_are_removed(home):
    path = put(home / "file", '{"deny": ["WebSearch", "Mine"]}')
    files = ManagedFiles(home)
    files.write(ConfigFile(path, Format.JSON, {"deny": ["WebSearch", "Ours"]}))
    assert json.loads(path.read_text())["deny"] == ["WebSearch", "Mine", "Ours"]
    files.write(ConfigFile(path, Format.JSON, {"deny": ["WebSearch"]}))
    assert json.loads(path.read_text())["deny"] == ["WebSearch", "Mine"]
    ManagedFiles(home).remove(path)
    assert json.loads(path.read_text())["deny"] == ["WebSearch", "Mine"]


def test_objects_of_ours_in_a_list_are_replaced_and_removed_beside_the_users(home):
    before = '{\n  "Stop": [\n    {\n      "run": "mine"\n    }\n  ]\n}\n'
    path, files = put(home / "file", before), ManagedFiles(home)
    for run in ("one", "two"):
        files.write(ConfigFile(path, Format.JSON, {"Stop": [{"run": run}]}))
    assert json.loads(path.read_text()) == {"Stop": [{"run": "mine"}, {"run": "two"}]}
    ManagedFiles(home).remove(path)
    assert path.read_text() == before


def test_an_empty_table_of_the_users_own_stays(home):
    path = put(home / "file", '{"env": {}}')
    files = ManagedFiles(home)
    files.write(ConfigFile(path, Format.JSON, {"env": {"A": "1"}, "b": {"c": "2"}}))
    ManagedFiles(home).remove(path)
    assert json.loads(path.read_text()) == {"env": {}}


UNPARSABLE = [
    # Python 3.13 names the line of the comma.
    (Format.JSON, b'{\n"a": 1,\n}', "line 2" if sys.version_info >= (3, 13) else "line 3"),
    (Format.JSON, b"[1]", "not a JSON object"),
    (Format.JSON, b'{"a": \xff}', "not UTF-8"),
    (Format.JSON, b'{"a":' + b"[" * 200_000, "line 1"),
    # Written again, one of the two would be gone, and the number another one.
    (Format.JSON, b'{"t": {"a": 1},\n "t": {"b": 2}}', "key t appears twice"),
    (Format.JSON, b'{"a": 1e400}', "not a number in JSON"),
    (Format.JSON, b'{"a": NaN}', "not a number in JSON"),
    (Format.TOML, b"a = 1\nb = \n", "line 2"),
    (Format.TOML, b"a = 1\na = 2\n", "line 2"),
    (Format.TOML, b"a = 1\nb = [1,\n", "line 2"),
    (Format.INI, b"host = x\n", "line 1"),
    (Format.INI, b"[DEFAULT]\nhost = x\nnonsense\n", "line 3"),
    (Format.INI, b"[DEFAULT]\nhost = x\n[DEFAULT]\n", "line 3"),
    (Format.INI, b"[DEFAULT]\nhost = x\nHOST = y\n", "line 3"),
]


@pytest.mark.parametrize(("file_format", "content", "place"), UNPARSABLE)
def test_an_unparsable_file_is_reported_with_its_line_and_left_alone(
    home, file_format, content, place
):
    path = put(home / "file", "")
    path.write_bytes(content)
    with pytest.raises(ConfigFileError) as caught:
        ManagedFiles(home).write(ConfigFile(path, file_format, {"t": {"k": "v"}}))
    assert str(path) in caught.value.message
    assert place in caught.value.message
    assert caught.value.hint
    assert path.read_bytes() == content
    assert not leftovers(home)


@pytest.mark.parametrize(
    ("content", "keys", "named"),
    [
        ('{"env": []}', {"env": {"A": "1"}}, "env should be a table"),
        ('{"env": {"A": {}}}', {"env": {"A": "1"}}, "env.A should be a single value"),
        ('{"deny": "x"}', {"deny": ["y"]}, "deny should be a list"),
    ],
)
def test_a_key_of_another_type_is_reported_and_left_alone(home, content, keys, named):
    path = put(home / "file", content)
    with pytest.raises(ConfigFileError, match=named):
        ManagedFiles(home).write(ConfigFile(path, Format.JSON, keys))
    assert path.read_text() == content
    assert ManagedFiles(home).paths() == []


def test_a_date_where_a_text_of_ours_goes_is_reported_and_left_alone(home):
    path = put(home / "file", "model = 2026-01-01\n")
    with pytest.raises(ConfigFileError, match="model should be a string, but it is of type date"):
        ManagedFiles(home).write(ConfigFile(path, Format.TOML, {"model": "x"}))
    assert path.read_text() == "model = 2026-01-01\n"


def test_half_a_character_stays_what_it_was(home):
    path = put(home / "file", '{"a": "\u00e9 \\ud83d"}')
    ManagedFiles(home).write(ConfigFile(path, Format.JSON, {"b": "x"}))
    assert json.loads(path.read_text()) == {"a": "\u00e9 \ud83d", "b": "x"}


@pytest.mark.parametrize(
    "text",
    [
        "[model_providers.a]\nx = 1\n[other]\ny = 1\n[model_providers.b]\nz = 1\n",
        'model_providers.a.x = 1\n"web_search" = "live"\n',
        "model_providers = {a = {x = 1}}\n",
        "[[hooks]]\na = 1\n[[hooks]]\na = 2\n",
        "",
        "# only a comment",
        'projects."/a".trust_level = "untrusted"\n[projects."/b"]\nx = 1\n',
        "[features] # none\r\nplugins = true\r\n",
    ],
)
def test_any_layout_of_toml_is_either_merged_rightly_or_left_alone(home, text):
    import tomllib

    path = put(home / "file", "")
    path.write_bytes(text.encode())
    files = ManagedFiles(home)
    try:
        tomllib.loads(text)
        files.write(ConfigFile(path, Format.TOML, TOML_KEYS))
    except (ConfigFileError, tomllib.TOMLDecodeError):
        assert path.read_bytes() == text.encode()
        return
    after = tomllib.loads(path.read_text())
    assert after["model_providers"]["dbx"]["name"] == "Databricks"
    assert after["features"]["daemon_auto_start"] is False
    ManagedFiles(home).remove(path)
    assert tomllib.loads(path.read_text()) == tomllib.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        "[DEFAULT]\n  host = a\n  token = b\n\n[x]\nk = v",
        "[x]\nk = v",
        "# nothing",
        "[DEFAULT]",
        "[DEFAULT]\r\nhost = a\r\n; c\r\n",
        "[__settings__]\ndefault_profile = x\n\n[x]\nhost = 100%\n",
    ],
)
def test_any_layout_of_ini_is_merged_rightly_and_restored(home, text):
    path = put(home / "file", "")
    path.write_bytes(text.encode())
    files = ManagedFiles(home)
    files.write(ConfigFile(path, Format.INI, INI_KEYS))
    after = path.read_bytes().decode()
    assert after.count("token = dapi-ours") == 1
    assert after.count("[DEFAULT]") == 1
    assert ("\r\n" in text) == ("\r\n" in after)
    ManagedFiles(home).remove(path)
    assert path.read_bytes().decode().split() == text.split()


@pytest.mark.parametrize(
    "text",
    [
        "[DEFAULT]\nhost : mine\ntoken : t\n",
        "  [DEFAULT]\n  host = mine\n",
        "[DEFAULT]\r\n\thost = mine\r\n\t; why\r\n\ttoken = t\r\n",
        "[DEFAULT]\nhost = mine\n  # why\ntoken = t\n",
        "[DEFAULT]\ntoken =\n  more\n",
        "[DEFAULT]\nhost = a\u2028token = b\n\n[x]\nk = v\x0cw\n",
    ],
)
def test_ini_is_back_byte_for_byte_after_removal(home, text):
    path = put(home / "file", "")
    path.write_bytes(text.encode())
    files = ManagedFiles(home)
    files.write(ConfigFile(path, Format.INI, INI_KEYS))
    assert "token = dapi-ours" in path.read_text().replace("token : ", "token = ")
    ManagedFiles(home).remove(path)
    assert path.read_bytes() == text.encode()


def test_a_link_stays_a_link_and_its_target_is_written(home):
    target = put(home / "dotfiles" / "settings.json", "{}")
    path = home / "settings.json"
    path.symlink_to(target)
    ManagedFiles(home).write(ConfigFile(path, Format.JSON, {"a": 1}))
    assert path.is_symlink()
    assert json.loads(target.read_text()) == {"a": 1}


def test_a_loop_of_links_and_a_folder_are_reported(home):
    home.mkdir()
    loop = home / "loop"
    loop.symlink_to(loop)
    for path in (loop, home):
        with pytest.raises(ConfigFileError):
            ManagedFiles(home).write(ConfigFile(path, Format.JSON, {"a": 1}))


@pytest.mark.parametrize(("before", "after"), [(0o644, 0o600), (0o600, 0o600), (0o700, 0o600)])
def test_a_mode_is_never_loosened_and_what_others_could_read_is_closed(home, before, after):
    path = put(home / "file", "{}")
    path.chmod(before)
    files = ManagedFiles(home)
    files.write(ConfigFile(path, Format.JSON, {"a": 1}))
    assert stat.S_IMODE(path.stat().st_mode) == after
    path.chmod(before)
    files.write(ConfigFile(path, Format.JSON, {"a": 1}))
    assert stat.S_IMODE(path.stat().st_mode) == after


def test_a_read_only_file_is_reported_and_left_alone(home):
    path = put(home / "file", "{}")
    path.chmod(0o400)
    with pytest.raises(ConfigFileError, match="read-only") as caught:
        ManagedFiles(home).write(ConfigFile(path, Format.JSON, {"a": 1}))
    assert "chmod u+w" in caught.value.hint
    assert path.read_text() == "{}"
    assert ManagedFiles(home).paths() == []


def test_a_full_disk_leaves_the_old_file_and_nothing_else(home):
    path = put(home / "file", '{"big": "' + "x" * 100_000 + '"}')
    before = path.read_bytes()
    files = ManagedFiles(home)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(ConfigFileError, match="Cannot write"):
            files.write(ConfigFile(path, Format.JSON, {"a": 1}))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == before
    assert not leftovers(home)
    assert files.paths() == []


KILLED_WRITE = """
import os, signal, sys
from pathlib import Path
from jupyter_dbx_agents.config_files import ConfigFile, Format, ManagedFiles
real = Path.replace
def kill_instead(self, target):
    if Path(target).name == "file":
        os.kill(os.getpid(), signal.SIGKILL)
    return real(self, target)
Path.replace = kill_instead
home = Path(sys.argv[1])
ManagedFiles(home).write(ConfigFile(home / "file", Format.JSON, {"key": sys.argv[2]}))
"""


def killed_write(home: Path, value: str) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED_WRITE, str(home), value], check=False)
    assert done.returncode == -signal.SIGKILL


def test_a_kill_between_write_and_rename_leaves_the_old_file_and_the_next_write_works(home):
    path = put(home / "file", '{"key": "mine"}')
    killed_write(home, "ours")
    assert path.read_text() == '{"key": "mine"}'
    assert len(leftovers(home)) == 1
    files = ManagedFiles(home)
    files.write(ConfigFile(path, Format.JSON, {"key": "ours"}))
    assert not leftovers(home)
    ManagedFiles(home).remove(path)
    assert json.loads(path.read_text()) == {"key": "mine"}


def test_after_a_kill_our_own_old_secret_is_not_taken_for_the_users(home):
    path = put(home / "file", '{"key": "mine"}')
    files = ManagedFiles(home)
    files.write(ConfigFile(path, Format.JSON, {"key": Secret("dapi-1")}))
    killed_write(home, "dapi-2")
    files.write(ConfigFile(path, Format.JSON, {"key": Secret("dapi-3")}))
    assert "dapi" not in (home / STATE).read_text()
    ManagedFiles(home).remove(path)
    assert json.loads(path.read_text()) == {"key": "mine"}


def test_a_reader_never_sees_half_a_file(home):
    path = put(home / "file", "{}")
    program = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from jupyter_dbx_agents.config_files import ConfigFile, Format, ManagedFiles
        home = Path(sys.argv[1])
        files = ManagedFiles(home)
        for number in range(60):
            keys = {"a": number, "b": "x" * 200_000}
            files.write(ConfigFile(home / "file", Format.JSON, keys))
        """
    )
    with subprocess.Popen([sys.executable, "-c", program, str(home)]) as writer:
        while writer.poll() is None:
            json.loads(path.read_text())
    assert writer.returncode == 0
    assert json.loads(path.read_text())["a"] == 59


def test_an_edit_by_the_agent_itself_in_the_middle_of_our_write_is_kept(home, monkeypatch):
    from jupyter_dbx_agents.config_files import atomic

    path = put(home / "file", "{}")
    real = atomic._write

    def edit_first(temporary, content, mode):
        if path.read_text() == "{}" and temporary.name.startswith(".file."):
            path.write_text('{"theirs": 1}')
        real(temporary, content, mode)

    monkeypatch.setattr(atomic, "_write", edit_first)
    ManagedFiles(home).write(ConfigFile(path, Format.JSON, {"ours": 2}))
    assert json.loads(path.read_text()) == {"theirs": 1, "ours": 2}


def test_two_processes_that_write_at_once_lose_no_key(home):
    program = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from jupyter_dbx_agents.config_files import ConfigFile, Format, ManagedFiles
        home, name = Path(sys.argv[1]), sys.argv[2]
        files = ManagedFiles(home)
        for number in range(30):
            files.write(ConfigFile(home / f"{name}{number}", Format.JSON, {"a": 1}))
        """
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", program, str(home), name]) for name in ("x", "y")
    ]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert len(ManagedFiles(home).paths()) == 60


def test_a_damaged_memory_does_not_stop_a_write(home):
    put(home / STATE, "{broken")
    path = home / "file"
    assert ManagedFiles(home).write(ConfigFile(path, Format.JSON, {"a": 1})) is True
    assert ManagedFiles(home).paths() == [path]


def test_a_home_that_cannot_be_written_is_reported(tmp_path):
    put(tmp_path / "home", "a file where the home should be")
    with pytest.raises(ConfigFileError):
        ManagedFiles(tmp_path / "home").write(ConfigFile(tmp_path / "file", Format.JSON, {"a": 1}))
    assert not (tmp_path / "file").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
