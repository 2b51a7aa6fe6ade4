# Two commands matter: `make run` and `make test`. Both need Python 3.11 or newer and nothing else.
SHELL := /bin/sh
.DEFAULT_GOAL := help
BIN := .venv/bin
STAMP := .venv/.stamp
SOURCES := broker tests
UV_COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url

.PHONY: help
help: ## Show this list.
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml requirements/bootstrap.lock requirements/project.lock scripts/bootstrap
	@PYTHON="$(PYTHON)" scripts/bootstrap

.PHONY: venv
venv: $(STAMP) ## Build .venv from the locks (the other targets do so themselves).

.PHONY: run
run: $(STAMP) ## Start Kafka and the broker and play the scenarios. ONCE=1: stop when all is verified.
	@exec $(BIN)/broker up $(if $(ONCE),--once)

.PHONY: test
test: lint ## Check style, types and layers, then run every test.
	@$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile $(ARGS)

.PHONY: search
search: $(STAMP) ## Look for counter-examples with examples of its own, new ones each time.
	@$(BIN)/python -m pytest --hypothesis-profile=search -m hypothesis $(ARGS)

.PHONY: prove
prove: $(STAMP) ## Prove law and agreements by Cedar's analysis. Builds the Cedar tools once (needs cargo).
	@scripts/prove $(ARGS)

.PHONY: audit
audit: $(STAMP) ## Bill of materials, licences, pins, known vulnerabilities. ARGS=--offline: without the last.
	@scripts/audit $(ARGS)

.PHONY: fuzz
fuzz: $(STAMP) ## Fuzz every parser with Atheris, a million cases. ARGS="--cases 10000 --target note" for less.
	@scripts/fuzz $(ARGS)

.PHONY: chaos
chaos: $(STAMP) ## Faults on a real broker and in memory, about an hour. ARGS="--faults 30 --seed 7" for less.
	@scripts/chaos $(ARGS)

.PHONY: lint
lint: $(STAMP) ## Check style, types and layers only.
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/mypy
	@$(BIN)/lint-imports

.PHONY: format
format: $(STAMP) ## Put the source in the project's format, mending what can be mended.
	@$(BIN)/ruff format $(SOURCES)
	@$(BIN)/ruff check --fix $(SOURCES)

.PHONY: lock
lock: $(STAMP) ## Resolve the Python dependencies anew into requirements/*.lock.
	@$(UV_COMPILE) --upgrade --group dev pyproject.toml -o requirements/project.lock
	@$(UV_COMPILE) --upgrade --group pyproject.toml:prove -o requirements/prove.lock
	@$(UV_COMPILE) --upgrade --group pyproject.toml:fuzz -o requirements/fuzz.lock
	@$(UV_COMPILE) --upgrade --group pyproject.toml:pkcs11 -o requirements/pkcs11.lock
	@$(UV_COMPILE) --upgrade --override requirements/quix.overrides --group pyproject.toml:quix -o requirements/quix.lock
	@$(UV_COMPILE) --no-deps requirements/bootstrap.in -o requirements/bootstrap.lock

.PHONY: clean
clean: ## Remove .venv, caches and var/.
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache var
	find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +
