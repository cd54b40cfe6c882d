"""What README, the templates and ``jupyter_config.py`` name exists, with the defaults they say."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from docs.generate import ADVICE, CLASSES, MARKER, messages, pages, variables
from jupyter_dbx_agents import errors
from jupyter_dbx_agents.deployment import PLATFORM_FILE_LIMIT_BYTES
from jupyter_dbx_agents.environment import SETTING_VARIABLES, take_environment
from jupyter_dbx_agents.models import ModelTable
from tests.support.documented_commands import KINDS, PAGES, commands_of, sections

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "jupyter_dbx_agents"
README = (ROOT / "README.md").read_text(encoding="utf-8")
TEMPLATE = (ROOT / "app.yaml.template").read_text(encoding="utf-8")
CLASS_OF: dict[str, Any] = {cast(Any, cls).__name__: cls for cls in CLASSES}


def named_traits() -> set[tuple[str, str]]:
    """Every ``Class.trait`` in the texts for users."""
    texts = README + (ROOT / "jupyter_config.py").read_text(encoding="utf-8")
    found = set(re.findall(r"\b([A-Z]\w+)\.([a-z]\w+)\b", texts))
    return {(cls, trait) for cls, trait in found if cls in CLASS_OF}


@pytest.mark.parametrize(("cls", "trait"), sorted(named_traits()))
def test_a_trait_that_is_named_exists_and_can_be_configured(cls: str, trait: str):
    assert CLASS_OF[cls].class_traits()[trait].metadata.get("config")


def test_the_lines_of_jupyter_config_name_known_classes():
    lines = (ROOT / "jupyter_config.py").read_text(encoding="utf-8").splitlines()
    classes = {m[1] for line in lines if (m := re.match(r"# c\.(\w+)\.", line))}
    assert classes
    assert classes <= set(CLASS_OF)


@pytest.mark.parametrize(
    ("variable", "trait"),
    [
        ("ANTHROPIC_MODEL", "anthropic_model"),
        ("CODEX_MODEL", "codex_model"),
        ("GEMINI_MODEL", "gemini_model"),
        ("HERMES_MODEL", "hermes_model"),
    ],
)
def test_the_template_says_the_default_and_the_variable_sets_the_trait(variable: str, trait: str):
    default = getattr(ModelTable(take_environment({})), trait)
    assert f"name: {variable}\n  #   value: {default}\n" in TEMPLATE
    assert getattr(ModelTable(take_environment({variable: " other "})), trait) == "other"


def test_template_and_app_yaml_agree_and_run_without_a_shell():
    working = yaml.safe_load((ROOT / "app.yaml").read_text(encoding="utf-8"))
    assert yaml.safe_load(TEMPLATE) == working
    assert working["command"][:3] == ["python", "-m", "jupyter_dbx_agents"]
    assert not [word for word in working["command"] if re.search(r"[$;&|]", word)]


def test_every_variable_of_the_template_has_a_sentence_and_a_value():
    found = variables()
    assert [variable.name for variable in found] == [
        "HOME",
        "APP_OWNER_EMAIL",
        "DATABRICKS_TOKEN",
        *SETTING_VARIABLES,
        "NPM_CONFIG_REGISTRY",
        "PIP_INDEX_URL",
    ]
    for variable in found:
        assert variable.sentence.endswith("."), variable
        assert variable.value, variable


def readme_rows() -> list[tuple[str, str, str]]:
    """Variable, trait and default of each row of the README's table."""
    table = README.partition("| variable | trait | default |")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:4]] for line in table.splitlines()[2:]]
    return [(v.strip("`"), t.strip("`"), d) for v, t, d in rows]


def test_readme_template_and_environment_name_the_same_variables():
    of_the_readme = {variable for variable, _, _ in readme_rows() if variable}
    of_the_template = {variable.name for variable in variables()}
    assert of_the_readme <= of_the_template
    # The home folder and package indexes are not ours, so that no trait stands for them.
    assert of_the_template - of_the_readme == {"HOME", "NPM_CONFIG_REGISTRY", "PIP_INDEX_URL"}


@pytest.fixture(scope="module")
def help_text() -> str:
    """What `serve --help-all` prints, without its line breaks."""
    command = [sys.executable, "-m", "jupyter_dbx_agents", "serve", "--help-all"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    return " ".join(re.sub(r"-\n\s+", "-", printed).split())


@pytest.mark.parametrize("row", readme_rows(), ids=lambda row: row[0] or row[1])
def test_readme_and_help_say_the_same_default(row: tuple[str, str, str], help_text: str):
    variable, trait, default = row
    if not trait:  # DATABRICKS_TOKEN: an option on the command line would be seen by everybody
        assert f"={variable}" not in help_text
        return
    assert f"--{trait}=" in help_text
    shown = help_text.partition(f"--{trait}=")[2].partition(" --")[0]
    assert not variable or variable in shown
    said = re.match(r"`?([\w.-]+)`?", default)
    assert said is not None
    if default.startswith("`") or default.isdigit():
        assert said[1] in shown


def test_generated_pages_are_up_to_date():
    for page, text in pages().items():
        assert page.read_text(encoding="utf-8") == text, f"{page.name}: run “make docs”"


def test_every_message_says_what_to_do():
    silent = [message.text for message in messages() if not message.hint.strip("… ")]
    assert not silent, "give the error a hint, or docs/generate.py an ADVICE for it"
    assert not set(ADVICE) - {message.text for message in messages()}, "no such message any more"


def test_every_message_that_troubleshooting_quotes_is_in_the_code():
    by_hand = (
        (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8").partition(MARKER)[0]
    )
    quoted = re.findall(r"^\| \*\*(.+?)\*\*", by_hand, flags=re.M)
    paths = [*PACKAGE.rglob("*.py"), *(PACKAGE / "lab" / "src").rglob("*.ts*")]
    sources = [path.read_text(encoding="utf-8") for path in paths]
    code = "\n".join(re.sub(r'"\s*\n\s*f?"', "", source) for source in sources)
    assert len(quoted) > 5
    assert not [message for message in quoted if message not in code]


def test_every_kind_of_command_is_run_by_a_test():
    for section in sections():
        for command in section.commands:
            test = next((t for start, t in KINDS.items() if command.startswith(start)), None)
            assert test is not None, f"{section.page}: no test runs {command!r}"
            assert (ROOT / test).is_file()


def test_every_report_from_the_field_has_a_test():
    table = (ROOT / "tests" / "field-reports.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| .* \| `(\S+)::(test_\w+)` \|$", table, re.M)
    assert len(rows) == table.count("\n| ") - 1
    for path, name in rows:
        assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), (path, name)


def test_every_word_of_make_that_is_named_is_one():
    """`make test` is what runs this; `make demo` is what the system tests start."""
    words = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    named = {shlex.split(command)[1] for command in commands_of("make ")}
    assert named
    assert named <= set(words)


def test_every_local_link_leads_somewhere():
    for page in PAGES:
        links = re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8"))
        local = [link for link in links if "://" not in link]
        assert not [link for link in local if not (page.parent / link).exists()], page


def test_no_file_is_too_large_for_the_platform_and_no_package_json_is_at_the_top():
    leave_out = {".git", ".venv", ".demo", "node_modules"}
    for path in ROOT.rglob("*"):
        if not leave_out & set(path.relative_to(ROOT).parts) and path.is_file():
            assert path.stat().st_size < PLATFORM_FILE_LIMIT_BYTES, path
    assert not (ROOT / "package.json").exists()


def test_the_tree_of_errors_lists_every_error_of_ours():
    sources = (ROOT / "jupyter_dbx_agents").rglob("*.py")
    texts = [path.read_text(encoding="utf-8") for path in sources]
    classes = [
        found for text in texts for found in re.findall(r"^class (\w+)\((\w+)\):", text, re.M)
    ]
    ours = {"DbxAgentsError"}
    while more := {name for name, base in classes if base in ours} - ours:
        ours |= more
    tree = errors.__doc__ or ""
    assert ours == set(re.findall(r"^(?:[ │├└─]*)(\w+Error)\b", tree, re.M))
