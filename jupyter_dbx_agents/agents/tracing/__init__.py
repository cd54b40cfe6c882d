"""Claude Code's turns as MLflow traces in the user's workspace; off unless it is switched on.

A turn's way: Claude Code's ``Stop`` or ``SessionEnd`` hook runs ``cli.trace_hook``, which posts the
transcript's path through the local channel and returns; ``tracer`` queues it, ``transcript`` reads
the last turn, ``mlflow`` renders it and writes it with the current PAT.

Why not MLflow's own: ``mlflow autolog claude`` (3.17, 621 MiB) puts a plugin from GitHub into each
project, and its last hook in Python (3.11, 86 MiB) takes 0.9 s of CPU a turn against 0.05 s here,
writes a turn twice if it runs twice, and has telemetry on.  The library ``mlflow-tracing`` would
save some 150 lines, for 52 MiB, 0.8 s of CPU at its import, and a token in the environment or in a
profile, since its client takes none per call.
"""

from .tracer import SessionTracer

__all__ = ["SessionTracer"]
