# The words of this project: demo, test, check, bench, docs, screenshots, lock.  Each does its own set-up, in .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_ARGS ?=
TEST_ARGS ?=
# Two workers, for the two cores that the platform's own machines have; each takes whole files.
WORKERS ?= 2
LAB := jupyter_dbx_agents/lab
SOURCES := jupyter_dbx_agents dbx_workspace tests benchmarks docs

.PHONY: demo test check bench docs screenshots lock lab clean

demo: $(VENV)/.installed
	exec $(BIN)/python -m jupyter_dbx_agents demo $(DEMO_ARGS)

# Root hands over to a user without privileges, as which the platform runs the app.
test:
	@if [ "$$(id -u)" = 0 ]; then exec sh tests/as_unprivileged.sh $(MAKE) test; \
	 else $(MAKE) check && exec $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder \
		$(TEST_ARGS); fi

check: $(VENV)/.installed-test $(LAB)/node_modules/.installed
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	cd $(LAB) && npm run --silent check

# The front end's built assets are committed: who installs or deploys this needs no node.
lab: $(LAB)/node_modules/.installed
	cd $(LAB) && npm run --silent build

bench: $(VENV)/.installed-test
	$(BIN)/python -m benchmarks

# The README's pictures, as the test of the looks takes them: look at them before they are committed.
screenshots: $(VENV)/.installed-test
	$(BIN)/python -m pytest -q tests/browser/test_looks.py -k launcher
	for name in launcher dialog panel; do \
		cp build/screenshots/$$name-light.png docs/screenshots/$$name.png; done

# What the pages under docs/ take from the code.
docs: $(VENV)/.installed
	$(BIN)/python -m docs.generate

# Needs uv.  A lock holds hashes and no address: it serves whatever index is configured.
lock:
	uv pip compile pyproject.toml $(LOCK_OPTIONS) -o requirements.txt
	uv pip compile pyproject.toml --extra test $(LOCK_OPTIONS) -o requirements-test.txt
	uv pip compile $(AGENTS)/python/hermes.in $(LOCK_OPTIONS) -o $(AGENTS)/python/hermes.txt
	for folder in $(AGENTS)/npm/*/; do (cd $$folder && npm install --package-lock-only --ignore-scripts \
		--no-audit --no-fund --omit-lockfile-registry-resolved && node ../drop_absent.mjs) || exit 1; done

AGENTS := jupyter_dbx_agents/agents/install

LOCK_OPTIONS := --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command "make lock"

clean:
	rm -rf $(VENV) .demo $(LAB)/node_modules $(LAB)/lib $(LAB)/build

$(VENV)/.installed: requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

$(VENV)/.installed-test: requirements-test.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $(VENV)/.installed $@

$(LAB)/node_modules/.installed: $(LAB)/package-lock.json
	cd $(LAB) && npm ci --silent
	@touch $@

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
