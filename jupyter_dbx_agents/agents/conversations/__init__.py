"""What each agent leaves in the home: its files, its conversations, and how one is resumed.

``kept`` has the words in which the agents' modules declare it, ``transcripts`` and ``databases``
read conversations of the two forms in which they are stored.
"""

from .kept import Conversation, Form, Kept, Memory

__all__ = ["Conversation", "Form", "Kept", "Memory"]
