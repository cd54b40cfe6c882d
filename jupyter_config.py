# Models, the gateway and timings.  Everything has a default: uncomment only what you change.
# The environment variables in app.yaml.template do the same for models.

c = get_config()  # noqa: F821

# ---- Models: names as your workspace serves them
# c.ModelTable.anthropic_model = "databricks-claude-opus-4-7"
# c.ModelTable.codex_model = "databricks-gpt-5-5"

# ---- Where model calls go.  Unset: auto-detected.  "": serving endpoints only.
# c.ModelTable.gateway_host = "https://1234567890123456.ai-gateway.cloud.databricks.com"

# ---- The token, in seconds
# c.PatRotator.rotation_interval_seconds = 600
# c.PatRotator.lifetime_seconds = 900
# c.PatRotator.idle_policy = "keep_alive"  # also while nothing uses the token

# ---- What is written and installed
# c.DbxAgentsApp.write_token_to_databrickscfg = False
# c.DbxAgentsApp.install_agents = False

# ---- Agents: claude-code, codex, gemini-cli, opencode, hermes
# c.AgentRoster.disabled_agents = ["hermes"]
# c.AgentInstaller.max_parallel = 2  # each keeps one core busy
