# Only python3 (3.11 or newer, with venv and pip) and make are assumed.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: run web clients check test browsers channels proxies prometheus conformance docs fuzz loadtest image image-test charts release sbom installers install install-dev lock clean

run: install
	@$(BIN)/inbox-gateway serve

# What a contributor runs all the time: style, types, layers, words, the domain's tests and their coverage.
check: .venv/installed-dev
	@$(BIN)/python -m tests --check

# Everything that must hold: what `check` runs, all tests with the coverage of every package, the promises, the cost.
test: .venv/installed-dev
	@sh tests/system.sh
	$(BIN)/python -m tests

# The client and the bell in Chromium, Firefox and WebKit. `make test` runs this too, without pictures, which are
# in build/screenshots.
browsers: .venv/installed-dev
	@sh tests/system.sh
	PICTURES=1 $(BIN)/pytest -q -rs tests/browser
	@$(BIN)/python -m tests.browser.gallery

# Adapters of providers against the real programs of others: browsers, mail servers, the clients of the providers. What is
# not installed is skipped, with the reason. As root on Debian, this installs it.
channels: .venv/installed-dev
	@sh tests/providers/system.sh
	$(BIN)/pytest -q -rs tests/providers

# The files of deploy/ with nginx, HAProxy, Caddy and Traefik, and 10,000 open inboxes through each: a table in
# build/proxies/table.md. As root on Debian, this installs them.
proxies: .venv/installed-dev
	@sh tests/deploy/system.sh
	PROXIES=1 $(BIN)/pytest -q -rs -o timeout=900 tests/deploy

# A real Prometheus against a real gateway: its targets, the queries of the dashboard, and the rules. It needs Debian's
# package prometheus, which is installed as root.
prometheus: .venv/installed-dev
	@sh tests/prometheus/system.sh
	$(BIN)/pytest -q -rs tests/prometheus tests/deploy/test_prometheus.py

# The Autobahn test suite against the WebSocket frames. It needs a Python 2.7, and prints how to install one.
conformance: .venv/installed-dev
	$(BIN)/python -m tests.conformance

# The documentation site, in build/site: every link and picture is checked. `zensical serve` shows it while you write.
docs: .venv/installed-dev
	@$(BIN)/python -m tests.documentation

# Random input for every part that reads input, for FUZZ_SECONDS. Inputs that fail are kept in tests/fuzz/corpus.
FUZZ_SECONDS ?= 600
fuzz: .venv/installed-dev
	$(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS)

# What the gateway costs, beside the installed peers: a table, plots and JSON in build/loadtest.
# LOADTEST_INSTALL_PEERS=1 installs peers first, outside the repository.
loadtest: .venv/installed-dev
	$(BIN)/python -m loadtest run $(if $(filter 1,$(LOADTEST_INSTALL_PEERS)),--install-peers)

# The container image, with the version, the commit and the date in its labels. A release names the base by its digest:
# PYTHON_IMAGE=python:3.13-slim@sha256:… With podman: ENGINE=podman BUILD_OPTIONS="--format docker", or there is no health check.
ENGINE ?= docker
IMAGE ?= inbox-gateway
PYTHON_IMAGE ?= python:3.13-slim
EXTRAS ?= templates sso otel
SOURCE ?= unknown
BUILD_OPTIONS ?=
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' gateway/__init__.py)
image:
	$(ENGINE) build $(BUILD_OPTIONS) --tag $(IMAGE):$(VERSION) --build-arg PYTHON_IMAGE=$(PYTHON_IMAGE) --build-arg EXTRAS="$(EXTRAS)" \
		--build-arg VERSION=$(VERSION) --build-arg REVISION=$$(git rev-parse HEAD) --build-arg SOURCE=$(SOURCE) \
		--build-arg CREATED=$$(git log -1 --date=iso-strict --format=%cd) .

# Build the image on a Debian of its own, and run it as an orchestrator does. As root on Debian, this installs podman.
image-test: .venv/installed-dev
	@sh tests/packages/system.sh
	$(BIN)/pytest -q -rs -o timeout=1200 tests/packages/test_image.py

# What a release consists of, in build/release: the source distribution, the wheel, the chart, the bill of materials
# (CycloneDX) and their checksums. The same commit makes the same bytes. docs/production/releases.md
release: .venv/installed .venv-release/installed
	$(BIN)/python -m tests.release build

# The bill of materials alone.
sbom: .venv/installed .venv-release/installed
	$(BIN)/python -m tests.release sbom

# The wheel by pip, pipx and uvx, each in a home of its own.
installers: .venv/installed-dev .venv-release/installed
	$(BIN)/pytest -q -rs -o timeout=1200 tests/packages/test_installers.py

.venv-release/installed: tests/release/tools.lock
	$(PYTHON) -m venv .venv-release
	@.venv-release/bin/pip --disable-pip-version-check --quiet $(LOCKED) --requirement tests/release/tools.lock
	@touch $@

# The Helm chart, rendered by Helm and validated by the schemas of Kubernetes. Their libraries take 400 MB, in .venv-charts.
charts: .venv/installed-dev
	@$(PYTHON) -m venv .venv-charts && .venv-charts/bin/pip --disable-pip-version-check $(LOCKED) --quiet \
		--requirement tests/packages/charts.lock || { rm -rf .venv-charts; echo "they cannot be installed here" >&2; }
	$(BIN)/pytest -q -rs -o timeout=1200 tests/packages/test_chart.py

install: .venv/installed

# What tests, load tests and fuzzing need as well.
install-dev: .venv/installed-dev

# Build what browsers load, gateway/web/dist, after a change in gateway/web/src. Needs Node 20 and npm.
web:
	cd gateway/web && npm ci --ignore-scripts --no-audit --no-fund && npm run build

# Build the packages for npm, clients/dist. Needs Node 20 and npm.
clients:
	cd clients && npm ci --ignore-scripts --no-audit --no-fund && npm run build

# Every file that is installed has a hash in a lock file, the tool that builds our own package too.
PIP := $(BIN)/pip --disable-pip-version-check
LOCKED := install --progress-bar off --require-hashes

.venv/installed: requirements.lock requirements-build.lock pyproject.toml
	@echo "Installing into .venv: half a minute, once."
	$(PYTHON) -m venv .venv
	@$(PIP) $(LOCKED) --requirement requirements-build.lock
	@$(PIP) $(LOCKED) --requirement requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.venv/installed-dev: .venv/installed requirements-dev.lock
	@echo "Installing what tests need into .venv: a minute, once."
	@$(PIP) $(LOCKED) --requirement requirements-dev.lock
	@touch $@

# Choose the newest versions that pyproject.toml allows.
LOCK := pip-compile --quiet --upgrade --strip-extras --generate-hashes --no-emit-index-url --no-emit-trusted-host \
	--no-emit-find-links
lock:
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet 'pip-tools>=7.4'
	.venv-lock/bin/$(LOCK) --allow-unsafe --only-build-deps --build-deps-for editable --build-deps-for wheel \
		--output-file requirements-build.lock pyproject.toml
	.venv-lock/bin/$(LOCK) --output-file requirements.lock pyproject.toml
	.venv-lock/bin/$(LOCK) --extra dev --extra templates --extra sso --extra otel --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml
	for extra in templates sso otel; do \
		$(PYTHON) -c "import sys, tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies'][sys.argv[1]], sep='\n')" $$extra \
		| .venv-lock/bin/$(LOCK) --annotation-style line --constraint requirements-dev.lock --output-file requirements-$$extra.lock - || exit 1; \
	done
	.venv-lock/bin/$(LOCK) --allow-unsafe --annotation-style line --output-file tests/packages/charts.lock tests/packages/charts.in
	.venv-lock/bin/$(LOCK) --allow-unsafe --annotation-style line --output-file tests/release/tools.lock tests/release/tools.in
	rm -rf .venv-lock

clean:
	rm -rf .venv .venv-charts .venv-release data build gateway/web/node_modules clients/node_modules clients/dist
