# Two environments that never meet: .venv/kedro has no Dagster, .venv/dagster has no Kedro.
PYTHON ?= python3
KEDRO := .venv/kedro/bin
DAGSTER := .venv/dagster/bin
EXAMPLE := docs/examples/nyc_flights
# What the tests of the Kedro side need besides.
TESTED := tests/kedro_side/requirements.txt
MATRIX = $(DAGSTER)/python tools/matrix.py $(if $(filter wheel,$(INSTALL)),--wheel $$(ls .build/wheel/*.whl))
PIP_FLAGS := --quiet --disable-pip-version-check
PYTEST_FLAGS ?=
BENCH_FLAGS ?=
VALUES ?=
WHICH ?= not slow
# What environments get: `tree` is this checkout, changes and all; `wheel` is what users install, as in CI.
INSTALL ?= tree
# Rows of tools/matrix.py; none for all.
ROWS ?=
# Images of which `make sbom` writes bills of materials; none for the environments here.
IMAGES ?=
# `docker compose` or `docker-compose`; empty for whichever is there.
COMPOSE ?=

# Workers, tests and the demo send nothing home.
export DO_NOT_TRACK := 1
export KEDRO_DISABLE_TELEMETRY := 1
export DAGSTER_DISABLE_TELEMETRY := 1

INSTALLED := .build/installed-$(INSTALL)
PACKAGE := $(if $(filter wheel,$(INSTALL)),$$(ls .build/wheel/*.whl),-e .)

.DEFAULT_GOAL := help
.PHONY: help environments demo dev test lint types imports test-manifest test-kedro test-dagster test-bridge test-slow test-oldest test-matrix test-dask test-docker test-ssh test-k8s test-chart chart test-mlflow test-s3 test-keys bench bench-peers docs docs-serve test-docs conformance-table hook-table reference sbom sizes screenshots stack stack-down test-stack clean

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

environments: .venv/kedro/.ready .venv/dagster/.ready ## Make both virtual environments

.build/installed-tree:
	@mkdir -p $(@D) && rm -f .build/installed-wheel
	@touch $@

# The same version again would count as installed, so it is taken out of the environments that have it.
.build/installed-wheel: pyproject.toml $(shell find kedro_side orchestrator -type f -not -name '*.pyc')
	@rm -rf .build/wheel .build/installed-tree
	@$(PYTHON) -m pip wheel $(PIP_FLAGS) --no-deps -w .build/wheel .
	@for python in $(wildcard .venv/*/bin/python); do $$python -m pip uninstall $(PIP_FLAGS) -y kedro-dagster-pipes; done
	@touch $@

.venv/kedro/.ready: pyproject.toml $(EXAMPLE)/requirements.txt $(TESTED) $(INSTALLED)
	@echo "Making .venv/kedro: Kedro and the example's libraries, no Dagster (about a minute)"
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.10 or newer is needed: make PYTHON=python3.11") if sys.version_info < (3, 10) else None'
	@test -x $(KEDRO)/python || $(PYTHON) -m venv .venv/kedro
	@$(KEDRO)/python -m pip install $(PIP_FLAGS) $(PACKAGE)'[kedro,dev]' -r $(EXAMPLE)/requirements.txt -r $(TESTED)
	@touch $@

.venv/dagster/.ready: pyproject.toml $(INSTALLED)
	@echo "Making .venv/dagster: Dagster, its web server and dg, no Kedro (about a minute)"
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.10 or newer is needed: make PYTHON=python3.11") if sys.version_info < (3, 10) else None'
	@test -x $(DAGSTER)/python || $(PYTHON) -m venv .venv/dagster
	@$(DAGSTER)/python -m pip install $(PIP_FLAGS) $(PACKAGE)'[dagster,docker,k8s,celery,dev]' dagster-aws dagster-webserver dagster-dg-cli
	@touch $@

demo: environments ## Materialize the example, every group of nodes in a process of its own
	@$(DAGSTER)/python tools/demo.py --kedro-python $(KEDRO)/python

dev: environments ## Open the example in Dagster's web interface
	@mkdir -p .build/demo/dagster_home
	@touch .build/demo/dagster_home/dagster.yaml
	@cd $(EXAMPLE) && DAGSTER_HOME=$(CURDIR)/.build/demo/dagster_home $(CURDIR)/$(DAGSTER)/dagster dev -f definitions.py

test: environments lint types imports test-manifest test-kedro test-dagster test-bridge ## Run every check and every test but the slow ones

lint: environments
	$(KEDRO)/ruff check
	$(KEDRO)/ruff format --check

types: environments
	$(KEDRO)/mypy kedro_side/kedro_manifest kedro_side/kedro_pipes
	$(DAGSTER)/mypy orchestrator/dagster_kedro

imports: environments
	$(DAGSTER)/lint-imports --no-cache

test-manifest: environments .venv/sbom/.ready
	$(DAGSTER)/python -m pytest tests/manifest tests/boundaries -m '$(WHICH)' $(PYTEST_FLAGS)

test-kedro: environments
	$(KEDRO)/python -m pytest tests/kedro_side -m '$(WHICH)' $(PYTEST_FLAGS)

test-dagster: environments
	$(DAGSTER)/python -m pytest tests/orchestrator -m 'not dask and ($(WHICH))' $(PYTEST_FLAGS)

test-bridge: environments
	$(DAGSTER)/python -m pytest tests/bridge -m 'not docker and not k8s and not mlflow and not s3 and not ssh and ($(WHICH))' --kedro-python $(CURDIR)/$(KEDRO)/python $(PYTEST_FLAGS)

test-slow: environments ## Run the tests that `make test` leaves out because they take long
	@$(MAKE) test-kedro test-bridge WHICH=slow

test-oldest: environments ## Test the oldest supported Kedro
	@$(MATRIX) --only kedro-0.19.15

test-matrix: environments ## Test with other versions of Kedro, Dagster and Python, and write the table; ROWS='NAME ...' for some
	@$(MATRIX) --cores auto --write docs/reference/supported-versions.md $(addprefix --only ,$(ROWS))

test-dask: .venv/dask/.ready ## Test Dagster's Dask executor, in an environment of its own
	.venv/dask/bin/python -m pytest tests/orchestrator/test_executors.py -m dask $(PYTEST_FLAGS)

.venv/dask/.ready: pyproject.toml $(INSTALLED)
	@echo "Making .venv/dask: Dagster and Dask, no Kedro (about a minute)"
	@test -x .venv/dask/bin/python || $(PYTHON) -m venv .venv/dask
	@.venv/dask/bin/python -m pip install $(PIP_FLAGS) $(PACKAGE)'[dagster,dask,dev]'
	@touch $@

test-docker: environments .venv/sbom/.ready ## Test workers in containers; needs a Docker engine
	$(DAGSTER)/python -m pytest tests/bridge/conformance -m docker --kedro-python $(CURDIR)/$(KEDRO)/python $(PYTEST_FLAGS)

test-ssh: environments ## Test workers on other hosts; needs root, an SSH server and iproute2
	$(DAGSTER)/python -m pytest tests/bridge -m ssh --kedro-python $(CURDIR)/$(KEDRO)/python $(PYTEST_FLAGS)

test-k8s: environments ## Test workers in pods of a double on the Docker engine; PYTEST_FLAGS=--k8s for a real cluster
	$(DAGSTER)/python -m pytest tests/bridge/conformance -m k8s --kedro-python $(CURDIR)/$(KEDRO)/python $(PYTEST_FLAGS)

test-chart: environments .venv/helm/.ready ## Lint, render and validate the Helm chart
	$(DAGSTER)/python -m pytest tests/chart --helm-python $(CURDIR)/.venv/helm/bin/python $(PYTEST_FLAGS)

chart: environments .venv/helm/.ready ## Render the Helm chart to .build/chart; VALUES=FILE for values of your own
	@$(DAGSTER)/python tools/render_chart.py --helm-python .venv/helm/bin/python $(VALUES)

.venv/helm/.ready: pyproject.toml
	@echo "Making .venv/helm: Helm's own library (half a minute)"
	@test -x .venv/helm/bin/python || $(PYTHON) -m venv .venv/helm
	@.venv/helm/bin/python -m pip install $(PIP_FLAGS) helm-python-sdk==0.2.2
	@touch $@

test-stack: environments ## Test the compose stack with the example; needs Docker, and Compose v2 and 1.29
	$(DAGSTER)/python -m pytest tests/stack $(PYTEST_FLAGS)

test-mlflow: environments .venv/mlflow/.ready ## Test kedro-mlflow against a real tracking server
	$(DAGSTER)/python -m pytest tests/bridge/mlflow --kedro-python $(CURDIR)/.venv/mlflow/bin/python $(PYTEST_FLAGS)

.venv/mlflow/.ready: pyproject.toml $(INSTALLED)
	@echo "Making .venv/mlflow: Kedro, kedro-mlflow and MLflow's server, no Dagster (about a minute)"
	@test -x .venv/mlflow/bin/python || $(PYTHON) -m venv .venv/mlflow
	@.venv/mlflow/bin/python -m pip install $(PIP_FLAGS) $(PACKAGE)'[kedro,mlflow]' 'kedro-datasets[json-jsondataset]'
	@touch $@

test-s3: environments .venv/s3/.ready ## Test catalog and staging on an S3 server, from processes and containers
	$(DAGSTER)/python -m pytest tests/bridge/projects/object_store --kedro-python $(CURDIR)/.venv/s3/bin/python $(PYTEST_FLAGS)

.venv/s3/.ready: pyproject.toml tests/projects/buckets/requirements.txt $(INSTALLED)
	@echo "Making .venv/s3: Kedro, s3fs and moto's S3 server, no Dagster (about a minute)"
	@test -x .venv/s3/bin/python || $(PYTHON) -m venv .venv/s3
	@.venv/s3/bin/python -m pip install $(PIP_FLAGS) $(PACKAGE)'[kedro]' -r tests/projects/buckets/requirements.txt 'moto[server]'
	@touch $@

test-keys: environments ## Drop each key of dagster.yml, and see that the test of its effect fails
	@$(DAGSTER)/python tools/drop_each_key.py

bench: environments bench-peers ## Measure, as ratios in one run
	@$(DAGSTER)/python tests/benchmarks/planning.py
	@$(DAGSTER)/python tests/benchmarks/channel_throughput.py --kedro-python $(KEDRO)/python
	@$(DAGSTER)/python tests/benchmarks/bench.py --kedro-python $(KEDRO)/python

bench-peers: environments .venv/peers/.ready ## Measure beside kedro-dagster and others, and write the page
	@$(DAGSTER)/python tests/benchmarks/peers.py --kedro-python $(KEDRO)/python --peers-python .venv/peers/bin/python $(BENCH_FLAGS)
	@$(KEDRO)/python tests/benchmarks/performance_page.py .build/bench/peers.json

.venv/peers/.ready: pyproject.toml $(EXAMPLE)/requirements.txt
	@echo "Making .venv/peers: kedro-dagster, which needs Kedro and Dagster in one environment (about a minute)"
	@test -x .venv/peers/bin/python || $(PYTHON) -m venv .venv/peers
	@.venv/peers/bin/python -m pip install $(PIP_FLAGS) kedro-dagster -r $(EXAMPLE)/requirements.txt
	@touch $@

docs: .venv/docs/.ready ## Build the documentation site into .build/site, strictly
	@NO_MKDOCS_2_WARNING=1 .venv/docs/bin/mkdocs build

docs-serve: .venv/docs/.ready ## Serve the documentation site while its pages are written
	@NO_MKDOCS_2_WARNING=1 .venv/docs/bin/mkdocs serve

test-docs: environments docs ## Build the site, and run the tutorial and what else the pages show
	$(DAGSTER)/python -m pytest tests/documentation --kedro-python $(CURDIR)/$(KEDRO)/python $(PYTEST_FLAGS)

.venv/docs/.ready: pyproject.toml $(INSTALLED)
	@echo "Making .venv/docs: MkDocs, neither Kedro nor Dagster (half a minute)"
	@test -x .venv/docs/bin/python || $(PYTHON) -m venv .venv/docs
	@.venv/docs/bin/python -m pip install $(PIP_FLAGS) $(PACKAGE)'[docs]'
	@touch $@

sbom: environments .venv/sbom/.ready ## Write software bills of materials to .build/sbom; IMAGES='NAME ...' for those of images
	@.venv/sbom/bin/python tools/sbom.py $(or $(IMAGES),--environment .venv/kedro --environment .venv/dagster)

.venv/sbom/.ready:
	@echo "Making .venv/sbom: CycloneDX's tool (a few seconds)"
	@test -x .venv/sbom/bin/python || $(PYTHON) -m venv .venv/sbom
	@.venv/sbom/bin/python -m pip install $(PIP_FLAGS) 'cyclonedx-bom>=7,<8'
	@touch $@

sizes: environments ## Measure what each extra takes on the disk, of the environments that are here
	@$(DAGSTER)/python tools/extra_sizes.py --write docs/reference/supported-versions.md

conformance-table: environments ## Run every failure under Dagster's own client and under ours
	@$(DAGSTER)/python tests/bridge/conformance/compare_with_stock.py --kedro-python $(KEDRO)/python --write docs/explanation/contract-of-success.md

hook-table: environments ## Count the calls of every hook under kedro run and under Dagster
	@$(DAGSTER)/python tests/bridge/hook_table.py --kedro-python $(KEDRO)/python --write docs/explanation/hooks.md

reference: environments ## Write the reference pages and schemas that are made from the types
	@$(DAGSTER)/python tools/write_schemas.py
	@$(DAGSTER)/python tools/write_reference.py

screenshots: environments ## Take the pictures in docs/images from the running web interface
	@$(DAGSTER)/python tools/screenshots.py

stack: environments ## Bring the compose stack up with the example, and materialize it; needs Docker
	@$(DAGSTER)/python tools/stack.py up --compose '$(COMPOSE)' --kedro-python $(CURDIR)/$(KEDRO)/python

stack-down: environments ## End the compose stack, and remove all that it made
	@$(DAGSTER)/python tools/stack.py down --compose '$(COMPOSE)'

clean: ## Remove all environments and everything that was generated
	rm -rf .venv .build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
