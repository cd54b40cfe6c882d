"""Comparisons, side by side in one run, as ratios; no tests.  ``python -m benchmarks`` runs all."""
