"""The sessions without JupyterLab, on a phone and on a bad line: their screens, keys and prompts.

``/dbx-agents/sessions/ID`` shows the text of a terminal's screen and has forms that type into it;
``ID`` is the terminal's identity, so that no later terminal of the same name is typed into.  The
forms work without the page's script, which only refreshes the screen and repeats what got lost.
Every action has a key that the server issued and is done once, however often it arrives (``once``).

These are the browser's routes and none of the local channel: an agent in a terminal could otherwise
allow itself what it asks permission for.
"""
