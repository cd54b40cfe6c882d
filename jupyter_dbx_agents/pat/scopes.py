"""Which feature of the app needs which API scope of a token, and what a narrow token lacks.

A token is never widened: what is minted has exactly the scopes of what was pasted.  So a feature
may be refused, and the owner has to know which and why.

Sources: the scopes' operations at docs.databricks.com/api/workspace/scopes (SCIM ``Me`` is in all);
their modifiers, generally available since November 2026: ``:read`` leaves what is read with GET,
``sql:restricted-query`` leaves queries; ``serving.serving-endpoints-query`` as databricks/ucode
requests it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypedDict

from ..workspace_api import ALL_SCOPES

# Without it a token can neither create nor list nor delete one.
RENEWAL_SCOPE = "authentication"
NO_MODIFIERS: frozenset[str] = frozenset()


class MissingScope(TypedDict):
    """A scope that the token lacks, and what does not work without it: the REST model."""

    scope: str
    feature: str


@dataclass(frozen=True)
class Need:
    """A feature of the app, and the scope without which it does not work.

    ``others`` do as well; a scope with a modifier is enough only if ``modifiers`` has that.
    """

    scope: str
    feature: str
    others: frozenset[str] = frozenset()
    modifiers: frozenset[str] = NO_MODIFIERS

    def is_met_by(self, granted: str) -> bool:
        """Whether a token's scope is enough."""
        base, *modifiers = granted.split(":")
        return base in self.others | {self.scope} and self.modifiers.issuperset(modifiers)


NEEDS = (
    Need(
        RENEWAL_SCOPE,
        "The token cannot renew itself: it ends when it expires.",
    ),
    Need(
        "model-serving",
        "Agents cannot call models.",
        others=frozenset({"serving", "serving.serving-endpoints-query"}),
    ),
    Need("workspace", "Commits are not copied to your workspace folder."),
    Need(
        "sql",
        "Agents and notebooks cannot run SQL.",
        modifiers=frozenset({"read", "restricted-query"}),
    ),
    Need(
        "unity-catalog",
        "Catalogs, tables and functions cannot be listed, nor the models in Unity Catalog.",
        modifiers=frozenset({"read"}),
    ),
    Need(
        "mcp",
        "The workspace's MCP servers refuse agents.",
        others=frozenset({"mcp.external", "mcp.functions", "mcp.genie", "mcp.vectorsearch"}),
    ),
    Need("mlflow", "Claude Code's turns are not traced to MLflow."),
)


def missing_scopes(scopes: Iterable[str] | None) -> list[MissingScope]:
    """Return what a token with these scopes lacks; nothing for one without restriction (None)."""
    granted = frozenset((ALL_SCOPES,) if scopes is None else scopes)
    if ALL_SCOPES in granted:
        return []
    return [
        {"scope": need.scope, "feature": need.feature}
        for need in NEEDS
        if not any(map(need.is_met_by, granted))
    ]
