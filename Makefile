# Only python3 (3.11 or newer, with venv and pip) and make are assumed.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test conformance fuzz loadtest install lock clean

run: install
	$(BIN)/inbox-gateway serve

# Everything that must hold: style, types, layering, tests, coverage of the domain.
test: .venv/installed-dev
	@sh tests/system.sh
	$(BIN)/python -m tests

# The Autobahn test suite against our WebSocket frames; it needs a Python 2.7, and says what to do without one.
conformance: .venv/installed-dev
	$(BIN)/python -m tests.conformance

# Random input by every way in, for FUZZ_SECONDS; what breaks something is kept in tests/fuzz/corpus.
FUZZ_SECONDS ?= 600
fuzz: .venv/installed-dev
	$(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS)

# What the gateway costs, beside the peers that are installed: a table, plots and JSON in build/loadtest.
# LOADTEST_INSTALL_PEERS=1 installs peers first, outside the repository.
loadtest: .venv/installed-dev
	$(BIN)/python -m loadtest run $(if $(filter 1,$(LOADTEST_INSTALL_PEERS)),--install-peers)

install: .venv/installed

.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

.venv/installed-dev: .venv/installed requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements-dev.lock
	touch $@

# Choose the newest versions that pyproject.toml allows.
LOCK := pip-compile --quiet --upgrade --strip-extras --no-emit-index-url --no-emit-trusted-host --no-emit-find-links
lock:
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet 'pip-tools>=7.4'
	.venv-lock/bin/$(LOCK) --output-file requirements.lock pyproject.toml
	.venv-lock/bin/$(LOCK) --extra dev --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml
	rm -rf .venv-lock

clean:
	rm -rf .venv data build
