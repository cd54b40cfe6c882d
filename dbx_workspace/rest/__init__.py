"""The workspace's other REST services: accounts, tokens, files and MLflow."""
