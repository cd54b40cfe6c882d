"""The platform's Apps service: apps, their deployments and the programs that run."""
