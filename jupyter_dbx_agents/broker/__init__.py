"""The broker: a loopback server that puts the current PAT into calls, and hands it to SDKs.

It depends on a PAT source and a model table, not on Jupyter.  Agents and SDKs hold secrets that are
valid for this process only; so a rotation changes no file of theirs and interrupts no program.

A model call's way: ``loopback_handler`` refuses what ``access`` does not let in; ``model_proxy``
holds the body, which ``filters.request`` corrects by ``filters.chat``, ``filters.tools`` and what
``filters.learning`` remembers of the model's refusals (``filters.mends``);
``upstream`` sends it through ``gateway_client`` with the current PAT, and repeats it once where
``gateway_errors`` allows it; the answer streams back through ``filters.events``; ``call`` counts
its tokens, and ``ledger`` records it.  A refusal that teaches a mend is not the end of it: the call
goes that way once more.
An SDK call's way: ``loopback_handler``, ``access``, then ``metadata_service`` with the token that
the PAT source promises.  ``refusals`` has what either gets instead, ``shared`` what both use.
A call of an MCP server's way is in ``mcp``.

Security invariants; ``tests/broker`` has a test of nearly the same name for each
- The broker listens on 127.0.0.1 only.
- No model call is forwarded without a capability, compared in constant time; one in a URL does not
  count.
- A request whose Host is not the broker's own is refused (DNS rebinding).
- A request from a web page is refused (a site that the user visits while the broker runs).
- Only known paths are forwarded, and only to the gateway's own base URLs and to the workspace's
  host for MCP; redirects are not followed, since they would carry the PAT to where they point.
- Capabilities, other credentials, cookies and forwarding headers never leave; the PAT never comes
  back: no header set by an agent reaches the gateway as a credential, and no cookie returns.
- The metadata service answers its secret path, to a client of this workspace, only.
- No secret, header or body is logged, at any level.
- A truncated answer never looks complete, and a call is repeated only before the agent has seen
  any of its answer.
- An answer that anything cuts short, a fault of ours included, ends with a broken connection.
- Memory is bounded: a body by ``max_body_bytes``, all bodies by ``max_held_bytes``, each until its
  answer begins; an answer by what the agent reads.  A small call of one agent fits whatever another
  one holds.

It is not a sandbox: agents run as the same operating-system user as the server.
"""

from .server import Broker

__all__ = ["Broker"]
