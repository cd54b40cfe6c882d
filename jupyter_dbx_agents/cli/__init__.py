"""The commands of ``jupyter dbx-agents``.

A command's way: ``main`` parses the arguments → a function here, in ``agents``, ``projects`` or
``doctor`` → ``local_channel.client.call`` → the server's table of operations → lines printed.
``serve`` and ``demo`` start servers; ``deploy`` works without one.  While there is no token, a
terminal runs ``login`` before its shell; Claude Code's hooks run ``trace_hook``.  Nothing but
``serve`` and ``demo`` imports tornado: the other commands have to answer at once.
"""
