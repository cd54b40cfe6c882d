# Targets; each sets up what it needs, in .venv.
#   demo                                 the app, on a local workspace
#   check, test-fast, test               what a change must pass, the last in a quarter of an hour
#   test-long, test-versions, coverage   before a release
#   bench, screenshots, docs, lab, lock  figures, and files that are generated
#   agents-update                        the newest release of each agent that passes
#   matrix                               every agent with every family of models, recorded

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_ARGS ?=
TEST_ARGS ?=
# Two for each core of a small machine: tests wait half of the time, and a fifth starves them.
WORKERS ?= 4
PYTEST := $(BIN)/python -m pytest -q -n $(WORKERS)
LAB := jupyter_dbx_agents/lab
SOURCES := jupyter_dbx_agents dbx_workspace tests benchmarks docs

# Images of containers often set it; each of the servers and commands that tests start would
# compile all of our modules again, and each worker all tests.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo check check-python check-lab test-fast test test-long coverage test-versions \
	bench docs screenshots lock agents-update matrix lab clean

demo: $(VENV)/.installed
	exec $(BIN)/python -m jupyter_dbx_agents demo $(DEMO_ARGS)

check: check-python check-lab

check-python: $(VENV)/.installed-test
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy

check-lab: $(LAB)/node_modules/.installed
	cd $(LAB) && npm run --silent check

# What starts agents, browsers, the runtime image, others' programs, or a server for each test.
SLOW := tests/browser tests/demo tests/runtime tests/system tests/deployment \
	tests/auth/test_lockdown.py tests/git_sync/test_guests.py tests/git_sync/test_model.py \
	tests/git_sync/test_model_of_servers.py tests/git_sync/test_safety.py \
	tests/pat/test_background_claude.py tests/terminals/test_upstream_suites.py
test-fast: check-python
	$(PYTEST) $(SLOW:%=--ignore=%) $(TEST_ARGS)

# As root, re-run as an unprivileged user, like the platform.
ifeq ($(shell id -u),0)
test test-long coverage:
	exec sh tests/as_unprivileged.sh $(MAKE) $@
else
test:
	$(MAKE) --jobs=2 --output-sync=target check
	$(PYTEST) $(TEST_ARGS)

test-long: check
	TEST_LONG=1 GIT_SYNC_SEQUENCES=1000 $(PYTEST) $(TEST_ARGS)

# Of all processes: the servers and commands that tests start, too.
coverage: $(VENV)/.installed-test $(LAB)/node_modules/.installed
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -q -n $(WORKERS) $(TEST_ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report
endif

# The quick tests, on each Python and with the lowest versions that pyproject.toml declares.
test-versions:
	sh tests/versions.sh -q -n $(WORKERS) $(SLOW:%=--ignore=%) $(TEST_ARGS)

# The front end's built assets are committed: who installs or deploys this needs no node.
lab: $(LAB)/node_modules/.installed
	cd $(LAB) && npm run --silent build

bench: $(VENV)/.installed-test
	$(BIN)/python -m benchmarks

# The README's pictures, as the test of the looks takes them: look at them before they are committed.
screenshots: $(VENV)/.installed-test
	$(BIN)/python -m pytest -q tests/browser/test_looks.py -k "launcher or offer"
	for name in launcher-1400 dialog panel continue; do \
		cp build/screenshots/$$name-light.png docs/screenshots/$${name%-1400}.png; done
	$(BIN)/python -m pytest -q tests/browser/test_phone.py
	cp build/screenshots/phone-session-light.png docs/screenshots/phone.png
	$(BIN)/python -m pytest -q tests/browser/test_mcp_panel.py -k sample_table
	cp build/screenshots/first-day.png docs/screenshots/first-day.png

# What the pages under docs/ take from the code.
docs: $(VENV)/.installed
	$(BIN)/python -m docs.generate

# Needs uv.  A lock holds hashes and no address: it serves whatever index is configured.
lock:
	uv pip compile pyproject.toml $(LOCK_OPTIONS) -o requirements.txt
	uv pip compile pyproject.toml --extra test $(LOCK_OPTIONS) -o requirements-test.txt
	uv pip compile dbx_workspace/lake/minilake.in $(LOCK_OPTIONS) -o requirements-demo.txt
	uv pip compile $(AGENTS)/python/hermes.in $(LOCK_OPTIONS) -o $(AGENTS)/python/hermes.txt
	for folder in $(AGENTS)/npm/*/; do (cd $$folder && npm install --package-lock-only --ignore-scripts \
		--no-audit --no-fund --omit-lockfile-registry-resolved && node ../drop_absent.mjs) || exit 1; done

# The newest release of each agent, against the real agents' tests; one that fails is put back.
agents-update: $(VENV)/.installed-test
	$(BIN)/python -m tests.support.agents_update

# Each agent with each family of models, about an hour; what passes is in docs/models.md then.
matrix: $(VENV)/.installed-test
	echo '{}' > docs/tested-models.json
	TEST_LONG=1 RECORD_MATRIX=1 $(BIN)/python -m pytest -q tests/demo/test_agent_matrix.py -k works_with; \
		status=$$?; $(BIN)/python -m docs.generate && exit $$status

AGENTS := jupyter_dbx_agents/agents/install

LOCK_OPTIONS := --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command "make lock"

clean:
	rm -rf $(VENV) .demo .coverage* $(LAB)/node_modules $(LAB)/lib $(LAB)/build

$(VENV)/.installed: requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

# By uv, which is among them, since pip takes four times as long; by pip where only that knows an
# index.
$(VENV)/.installed-test: requirements-test.txt | $(BIN)/python
	awk '/^[^ ]/ {is_uv = /^uv==/} is_uv' $< > $(VENV)/uv.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/uv.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes -r $< || \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $(VENV)/.installed $@

$(LAB)/node_modules/.installed: $(LAB)/package-lock.json
	cd $(LAB) && npm ci --silent
	@touch $@

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
