# Every verb sets up what it needs: it takes Python 3.11 or newer and make, nothing else.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
SRC := oura_pipeline oura_pipeline_tests tools benchmarks

.PHONY: help demo test check format dev docs lock clean
help:
	@echo "make demo      the whole way with made-up people: sandbox, sync, Graphite (SERVE=1: stays up)"
	@echo "make dev       the site, Dagster's UI and daemon on 127.0.0.1"
	@echo "make test      the tests"
	@echo "make check     format, lint, types, generated docs"
	@echo "make docs      write the generated parts of README.md and docs/"
	@echo "make lock      resolve requirements.lock anew"

demo: $(READY)
	@$(BIN)/oura-pipeline demo $(if $(SERVE),--serve)

dev: $(READY)
	@$(BIN)/oura-pipeline dev

test: $(READY)
	@$(BIN)/python -m pytest $(or $(ARGS),-n 2 --dist loadgroup)

check: $(READY)
	@echo "==> Format"; $(BIN)/ruff format --check $(SRC)
	@echo "==> Lint"; $(BIN)/ruff check $(SRC)
	@echo "==> Types"; $(BIN)/mypy
	@echo "==> Generated docs"; $(BIN)/python -m tools.generate_docs --check
	@echo "==> Links"; $(BIN)/python -m tools.check_links

format: $(READY)
	@$(BIN)/ruff check --fix --quiet $(SRC) || true
	@$(BIN)/ruff format $(SRC)

docs: $(READY)
	@$(BIN)/python -m tools.generate_docs

lock: $(READY)
	@$(BIN)/uv pip compile --quiet pyproject.toml --extra dev --universal --upgrade --generate-hashes \
	  --no-strip-extras --no-emit-index-url --no-header --constraint constraints.txt \
	  --output-file requirements.lock

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache

# pip, where uv cannot reach the index that pip is configured for.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version). Try PYTHON=python3.12"; exit 1; }
	@echo "==> [1/4] Making .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear .venv
	@echo "==> [2/4] Installing the installer"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.8
	@echo "==> [3/4] Installing $$(grep -c '^[a-z].*==' requirements.lock) packages"
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock \
	  || $(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	@echo "==> [4/4] Installing oura_pipeline"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable . \
	  || $(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $(READY)
