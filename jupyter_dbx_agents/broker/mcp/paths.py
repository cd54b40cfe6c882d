"""Which paths of the workspace are MCP servers.

Source: docs.databricks.com ``agents/mcp/managed-mcp`` and ``agents/mcp-tools``, read in November
2026.  ``vector-search`` is the earlier name of ``ai-search``; the Genie of all data moved from
``/api/2.0/mcp/genie`` to a service of the gateway, and both are listed.
"""

import re

# Names of catalogs, schemas, functions, spaces, connections: no slash, no escape, no leading dot,
# so that no path can be climbed.
_NAME = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,254}"
LISTED = re.compile(
    rf"/api/2\.0/mcp/(?:sql"
    rf"|genie(?:/{_NAME})?"
    rf"|functions/{_NAME}/{_NAME}(?:/{_NAME})?"
    rf"|(?:ai-search|vector-search)/{_NAME}/{_NAME}(?:/{_NAME})?"
    rf"|external/{_NAME})"
    rf"|/ai-gateway/mcp-services/{_NAME}"
)
EXTERNAL = "/api/2.0/mcp/external/"
WEB_SEARCH = "/ai-gateway/mcp-services/system.ai.web_search"
EXAMPLES = "/api/2.0/mcp/genie/{space}, /api/2.0/mcp/functions/{catalog}/{schema}"


def is_handed_on(path: str) -> bool:
    """Whether the workspace hands calls on to a server elsewhere, and its refusals back."""
    return path.startswith(EXTERNAL)


def is_listed(path: str) -> bool:
    """Whether a path is one of the workspace's MCP servers."""
    return LISTED.fullmatch(path) is not None
