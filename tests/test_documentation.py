"""What README, the templates and ``jupyter_config.py`` name exists, with the defaults they say."""

import re
from pathlib import Path

import pytest
import yaml

from jupyter_dbx_agents import errors
from jupyter_dbx_agents.app import DbxAgentsApp
from jupyter_dbx_agents.environment import take_environment
from jupyter_dbx_agents.models import ModelTable

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TEMPLATE = (ROOT / "app.yaml.template").read_text(encoding="utf-8")
CLASSES = {cls.__name__: cls for cls in (DbxAgentsApp, *DbxAgentsApp.classes)}


def named_traits() -> set[tuple[str, str]]:
    """Every ``Class.trait`` in the texts for users."""
    texts = README + (ROOT / "jupyter_config.py").read_text(encoding="utf-8")
    found = set(re.findall(r"\b([A-Z]\w+)\.([a-z]\w+)\b", texts))
    return {(cls, trait) for cls, trait in found if cls in CLASSES}


@pytest.mark.parametrize(("cls", "trait"), sorted(named_traits()))
def test_a_trait_that_is_named_exists_and_can_be_configured(cls: str, trait: str):
    assert CLASSES[cls].class_traits()[trait].metadata.get("config")


def test_the_lines_of_jupyter_config_name_known_classes():
    lines = (ROOT / "jupyter_config.py").read_text(encoding="utf-8").splitlines()
    classes = {m[1] for line in lines if (m := re.match(r"# c\.(\w+)\.", line))}
    assert classes
    assert classes <= set(CLASSES)


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


def test_every_commented_variable_of_the_template_is_valid_yaml():
    uncommented = re.sub(r"^  # (- name|  value)", r"  \1", TEMPLATE, flags=re.M)
    names = [entry["name"] for entry in yaml.safe_load(uncommented)["env"]]
    assert names == [
        "HOME",
        "APP_OWNER_EMAIL",
        "DATABRICKS_TOKEN",
        "ANTHROPIC_MODEL",
        "CODEX_MODEL",
        "GEMINI_MODEL",
        "HERMES_MODEL",
        "DATABRICKS_GATEWAY_HOST",
    ]


def test_every_local_link_of_the_readme_leads_somewhere():
    links = re.findall(r"\]\(([^)#]+)", README)
    local = [link for link in links if "://" not in link]
    assert local
    assert not [link for link in local if not (ROOT / link).exists()]


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
