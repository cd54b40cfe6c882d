"""What agents and terminals have of Databricks beside the models: the profile of SDKs and CLI."""
