"""What the platform is reported to refuse of a model call, each refusal a rule with its source.

``rule`` has the parts, ``families`` reads models' names; ``limits``, ``fields``, ``messages``,
``tools`` and ``reasoning`` have the rules, ``chance`` makes up more; ``book`` knows which are on.
They are written from
reports and documentation, not from what a client happens to send.
"""

from .book import RuleBook
from .limits import OutputBudget
from .rule import ModelCall, Rule

__all__ = ["ModelCall", "OutputBudget", "Rule", "RuleBook"]
