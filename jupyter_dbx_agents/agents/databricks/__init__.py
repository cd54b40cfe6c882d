"""What agents and terminals have of Databricks beside the models.

Itinerary: ``profile`` leads SDKs and CLI to the broker's token.  ``tools`` brings the rest up to
date, at the start and then daily: ``command`` finds or installs the CLI, by which ``skills``
fetches Databricks' own beside the company's (``remote_folder``), and links them for all agents.
``facts`` reads what the agents' instructions say of the workspace.
"""
