"""The paths of the REST API, for the server's table of operations and for the commands."""

API_PATH = "/dbx-agents/api"
STATUS_PATH = f"{API_PATH}/status"
PAT_PATH = f"{API_PATH}/pat"
AGENTS_PATH = f"{API_PATH}/agents"
PROJECTS_PATH = f"{API_PATH}/projects"
TRACES_PATH = f"{API_PATH}/traces"
UPLOADS_PATH = f"{API_PATH}/uploads"
