"""The composition root: builds every part, starts and stops it; only this package imports them all.

Parts get what they need as arguments.  On a Databricks App a failure to put the owner-only gate in
force ends the process (Jupyter itself would carry on with a token login).
See docs/decisions/0005-one-process.md

Itinerary: Jupyter calls ``extension``, which builds the ``parts`` and connects them with what they
serve: ``terminals``, the owner's ``home`` folder, whoever follows the ``credential``, the REST
model of all of them (``status``); ``ending`` stops them in stages.
"""

from .extension import DbxAgentsApp
from .parts import REPORTER
from .status import ServerStatus

__all__ = ["REPORTER", "DbxAgentsApp", "ServerStatus"]
