"""Schemas of the events that the server pushes to the browser."""

from pathlib import Path

STATUS_SCHEMA_ID = "https://jupyter-dbx-agents/events/status/v1"
STATUS_SCHEMA_FILE = Path(__file__).with_name("status-v1.yaml")
