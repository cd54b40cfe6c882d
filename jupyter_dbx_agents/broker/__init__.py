"""The broker: a loopback server that puts the current PAT into model calls, and hands it to SDKs.

It knows a PAT source and a model table and nothing of Jupyter.  Agents and SDKs hold secrets that
live as long as this process and are worth nothing elsewhere; so a rotation changes no file of
theirs and interrupts no program.

Security invariants; ``tests/broker`` has a test of nearly the same name for each
- The broker listens on 127.0.0.1 only.
- No model call is forwarded without a capability, compared in constant time; one in a URL is none.
- A request whose Host is not the broker's own is refused (DNS rebinding).
- A request from a web page is refused (a site that the user visits while the broker runs).
- Only known paths are forwarded, and only to the gateway's own base URLs; redirects are not
  followed, since they would carry the PAT to where they point.
- Capabilities, other credentials, cookies and forwarding headers never leave; the PAT never comes
  back: no header set by an agent reaches the gateway as a credential, and no cookie returns.
- The metadata service answers its secret path, to a client of this workspace, only.
- No secret, header or body is logged, at any level.
- A truncated answer never looks complete, and a call is repeated only before the agent has seen
  any of its answer.
- Memory is bounded: a body by ``max_body_bytes``, an answer by what the agent reads.

It is no sandbox: agents run as the same operating-system user as the server does.
"""

from .server import Broker

__all__ = ["Broker"]
