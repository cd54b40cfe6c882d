"""Claude Code's sessions as MLflow traces in the user's workspace; off unless it is switched on.

Its ``Stop`` and ``SessionEnd`` hooks name the transcript to the server, and return; the server
writes the last turn as a trace, with the current PAT, off everybody's path.

Why not MLflow's own hook: it is a no-op from 3.18 on; 3.11 takes 130 MB and seconds of each turn
for its imports, and reads its token where we would rather not have one.  What is used here of the
REST API is what that client sends to Databricks.
"""

from .tracer import SessionTracer

__all__ = ["SessionTracer"]
