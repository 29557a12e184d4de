# Every task of coinlake. `make help` lists them. A fresh machine needs Python 3.11 to 3.13, a JDK 17, Maven and Go.

PYTHON ?= python3
BIN := .venv/bin
# Where embedded stacks may run: the user's own, those of the demo, the reconciliation, the crash test and the benchmark.
HOMES := .coinlake .coinlake/demo .coinlake/reconcile .coinlake/crashtest/drivers .coinlake/crashtest/generator \
	.coinlake/bench/bench-stack .coinlake/bench/archive-stack .coinlake/bench/live-stack \
	.coinlake/bench/connect-stack .coinlake/bench/query-stack .coinlake/live .coinlake/dashboard
# make reconcile DATA=FOLDER compares other archives: the exchange's 1m files become our candles, its 5m and 1h files judge them.
DATA ?= ../shared/data/binance/klines_spot
PYTEST := $(BIN)/python -m pytest
# Files of tests run side by side, each group with a stack of its own (about 2 GiB while a Spark job runs): make test TEST_GROUPS=1
TEST_GROUPS ?= 2
# make bench BENCH_ROWS="20000 200000" BENCH_PLANS=ours,plain BENCH_LIMIT=900 measures other sizes, plans and limits.
BENCH_FLAGS = $(foreach rows,$(BENCH_ROWS),--rows $(rows)) $(if $(BENCH_PLANS),--plans $(BENCH_PLANS)) $(if $(BENCH_LIMIT),--limit $(BENCH_LIMIT))

.DEFAULT_GOAL := help
.PHONY: help setup demo reconcile bench bench-live up down status check format test test-long test-unit test-streaming test-integration test-recorded lock clean

help: ## list the tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## make what is missing: packages, jars, MinIO (the other tasks do this by themselves)
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
		|| { echo "expected Python 3.11 to 3.13 as $(PYTHON), found $$($(PYTHON) --version 2>&1): choose one with make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -m infra.setup

demo: setup ## replay three hours of market through the whole chain and show the candles; DASHBOARD=1 ends with the dashboard open
	@$(BIN)/coinlake demo $(if $(DASHBOARD),--dashboard)

reconcile: setup ## make candles of the klines in DATA and compare them with the exchange's own: score and scoreboard page
	@test -e $(DATA) || { echo "expected archives of Binance's klines in $(DATA), found nothing: make reconcile DATA=FOLDER" >&2; exit 1; }
	@$(BIN)/coinlake reconcile $(DATA) --own-lake

bench: setup ## measure ingest, the job beside a plain one, archives beside DuckDB and Polars, Connect, the query API, transports, scoring: tables, JSON, a chart (45 minutes)
	@$(BIN)/python -m benchmarks $(BENCH_FLAGS)

bench-live: setup ## measure the live chart: event to painted frame, 1,000 clients, engines side by side (50 minutes, needs Chromium)
	@$(BIN)/python -m benchmarks.live_chart --out .coinlake/bench/live-chart.json
	@$(BIN)/python -m benchmarks.live_engines --out .coinlake/bench/live-engines.json

up: setup ## start Kafka and the object store
	@$(BIN)/coinlake up

down: ## stop them
	@if [ -x $(BIN)/coinlake ]; then $(BIN)/coinlake down; else echo "nothing was set up"; fi

status: setup ## show what runs
	@$(BIN)/coinlake status

check: setup ## lint, format, types and import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup ## put the code into the one format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: setup ## run the tests, but for the long ones
	$(PYTEST) -m "not long" --numprocesses $(TEST_GROUPS) --dist loadfile --no-loadscope-reorder

test-long: setup ## run the long tests: more crashes, schedules, backlogs, maintenance, a full disk
	$(PYTEST) -m long --numprocesses $(TEST_GROUPS) --dist loadfile --no-loadscope-reorder tests/integration

test-unit: setup ## run the unit tests and the examples in docstrings
	$(PYTEST) tests/unit contracts ingest sentiment spark_jobs simulator serve infra benchmarks

test-streaming: setup ## run the tests of the Spark jobs
	$(PYTEST) tests/streaming

test-integration: setup ## run the tests against Kafka and MinIO
	$(PYTEST) tests/integration

test-recorded: setup ## run the tests on recorded venue data
	$(PYTEST) tests/recorded

lock: setup ## resolve the dependencies of pyproject.toml anew, within what the lock has
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --extra dev pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links --no-emit-package pyspark --no-emit-package py4j -c requirements.lock pyproject.toml -o requirements-runtime.lock

clean: down ## stop every stack and remove what was made here, their data too; the cache outside the checkout stays
	@for home in $(HOMES); do \
		if [ -d $$home ] && [ -x $(BIN)/coinlake ]; then COINLAKE_HOME=$$home $(BIN)/coinlake down || exit 1; fi; \
	done
	rm -rf .coinlake .venv build *.egg-info .mypy_cache .ruff_cache .import_linter_cache
	rm -rf .hypothesis .pytest_cache spark-warehouse metastore_db derby.log
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
