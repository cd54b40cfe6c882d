"""The local workspace: a real HTTP server that behaves like the parts of Databricks that we use.

It imports nothing from the rest of the product, and the product nothing from it except the `demo`
command: production code meets it only as a `DATABRICKS_HOST`.
"""
