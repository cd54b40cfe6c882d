"""What a user's own files look like before us; each agent's, with a taste of everything."""

FILES = {
    ".claude/settings.json": """{
  "env": {
    "ANTHROPIC_MODEL": "claude-mine",
    "MY_PROXY": "x"
  },
  "permissions": {
    "deny": [
      "Read(./secrets/**)"
    ]
  },
  "statusLine": {
    "type": "command",
    "command": "date"
  }
}
""",
    ".claude.json": """{
  "userID": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
  "mcpServers": {
    "mine": {
      "type": "stdio",
      "command": "true",
      "args": [
        "-a",
        "1",
        "-b",
        "1"
      ]
    }
  }
}
""",
    ".claude/CLAUDE.md": "# Mine\n\nBe brief.\n",
    ".codex/config.toml": """# mine
model = "gpt-mine"
sandbox_mode = "workspace-write"  # careful

[mcp_servers.mine]
command = "true"
enabled = false

[projects."/elsewhere"]
trust_level = "untrusted"
""",
    ".codex/AGENTS.md": "# Mine\n\nBe brief.",
    ".gemini/settings.json": """{
    "ui": {
        "theme": "GitHub"
    },
    "model": {
        "name": "gemini-mine"
    },
    "mcpServers": {}
}
""",
    ".gemini/.env": "# mine\nGEMINI_API_KEY='AIza-mine' # paid\nMY_PROXY=x\n",
    ".gemini/GEMINI.md": "# Mine\n\nBe brief.\n\n## Gemini Added Memories\n- I like tea\n",
    ".config/opencode/opencode.json": """{
  "$schema": "https://opencode.ai/config.json",
  "username": "me",
  "model": "other/mine",
  "provider": {
    "other": {
      "name": "Mine"
    }
  },
  "instructions": [
    "~/mine.md"
  ]
}
""",
    ".hermes/config.yaml": """# mine
model:
  default: mine/model   # cheap
  provider: "openrouter"
display:
  compact: yes
  skin: mono
skills:
  external_dirs:
    - ~/mine
agent:
  max_turns: 60
""",
    ".databrickscfg": """# mine
[DEFAULT]
host = https://old.example.com
token = dapi-mine

[other]
host = https://other.example.com
client_id = c
""",
}
