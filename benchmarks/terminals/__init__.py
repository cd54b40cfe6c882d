"""Terminals side by side with stock ones: ``python -m benchmarks.terminals``."""


def main() -> None:
    """Measure everything, as one of all benchmarks."""
    from .__main__ import MEASURES, compare  # here, or "-m" would find it imported already

    compare(list(MEASURES))
