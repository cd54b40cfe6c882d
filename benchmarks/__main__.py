"""Run all benchmarks, or those named on the command line."""

import importlib
import pkgutil
import sys

import benchmarks


def main(names: list[str]) -> None:
    """Run each module's ``main``."""
    there = sorted(
        module.name
        for module in pkgutil.iter_modules(benchmarks.__path__)
        if not module.name.startswith("_")
    )
    if unknown := set(names) - set(there):
        sys.exit(f"There is no benchmark {', '.join(sorted(unknown))}; there are {there}.")
    for name in names or there:
        print(f"\n== {name}", flush=True)
        importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main(sys.argv[1:])
