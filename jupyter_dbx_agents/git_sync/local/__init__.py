"""The repository on this machine: ``git`` runs git, ``projects`` finds, ``objects`` reads."""
