"""The Databricks CLI and SDKs: the profile ``[DEFAULT]`` of ``~/.databrickscfg``.

Decided
- Ours replace ``host``, ``auth_type``, ``metadata_service_url`` and ``token``; they are remembered
  and come back when we go.  Other credentials in the profile (``client_id``, ``azure_…``,
  ``password``) stay: ``auth_type`` says which one counts, in every SDK and in the CLI.
- While there is no token of ours, there is none: a user's own, meant for another host, must not be
  sent to ours by a tool that reads it literally.
- No ``DATABRICKS_*`` variable is set instead: that would override a client that names another
  workspace and its token in its own code.
"""

from pathlib import Path

from ..config_files import ConfigFile, Format
from ..secret import Secret


def databrickscfg(
    *, home: Path, host: str, metadata_service_url: Secret, token: Secret | None = None
) -> ConfigFile:
    """Return the profile that gets its token from the broker's metadata service.

    ``token`` is the current PAT for tools that only read a literal one; SDKs do not look at it.
    """
    profile: dict[str, object] = {
        "host": host,
        "auth_type": "metadata-service",
        "metadata_service_url": metadata_service_url,
        "token": token,
    }
    return ConfigFile(home / ".databrickscfg", Format.INI, {"DEFAULT": profile})
