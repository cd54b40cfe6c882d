"""What many tests say: who is who, addresses of the REST API, and an option of the server."""

OWNER = "owner@example.com"
STRANGER = "stranger@example.com"
PAT = "/dbx-agents/api/pat"
STATUS = "/dbx-agents/api/status"
NO_AGENTS = "--DbxAgentsApp.install_agents=False"
