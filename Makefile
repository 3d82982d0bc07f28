# Two commands do everything on a fresh machine with Python 3.11 or later: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BENCH := .venv-bench
MUTANTS := .venv-mutants
OLDEST := .venv-oldest
SEED ?= 0
unexport PYTHONDONTWRITEBYTECODE   # the tests as pytest rewrites them are kept for the next run: 12 seconds of each worker
MKDOCS := NO_MKDOCS_2_WARNING=true DISABLE_MKDOCS_2_WARNING=true $(BIN)/mkdocs

# The whole program as its users meet it: commands, their checks, pages, processes and addresses, studies, and the
# networks and files of others.
PROGRAM := tests/benchmarks tests/docs tests/engine tests/evaluation tests/foreign tests/health tests/remote tests/report \
  tests/studies tests/test_cli.py tests/test_compare_commands.py tests/test_json.py tests/test_odd_commands.py \
  tests/test_odd_names.py tests/test_plugins.py
# What every registered attack, threat and defence promises.
CONTRACT := tests/contract

# What checked shapes only make slow: every attack on every refused image and within every budget.
ONCE := tests/core/test_refused_images.py tests/core/test_budget.py

.PHONY: changelog demo test test-all test-contract test-program test-shapes shapes test-oldest cover mutants check format hooks docs bench weights robust-weights clean

demo: $(VENV)/.ready        ## audit the built-in network on the built-in digits
	$(BIN)/brittle demo

test: $(VENV)/.ready        ## the tests of every part, without coverage and without checked shapes, which triple their time
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(addprefix --ignore ,$(PROGRAM) $(CONTRACT))

test-contract: $(VENV)/.ready  ## what every registered attack, threat and defence promises
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(CONTRACT)

test-program: $(VENV)/.ready   ## the tests of the whole program: commands, checks, pages, studies, networks and files of others
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PROGRAM)

test-all: $(VENV)/.ready    ## these three in one run, which is sooner at its end
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --dist worksteal

cover: $(VENV)/.ready       ## all tests, with line coverage of src
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --cov=brittle --cov-report=term:skip-covered --cov-fail-under=98

# Tests of the random states are left out: the checker of types draws from Python's own.
test-shapes: $(VENV)/.ready ## the annotations of shapes and types, checked at run time where the mathematics is
	BRITTLE_SHAPES=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -k "not contract or fresh_forward" --ignore tests/core/test_threads.py $(addprefix --ignore ,$(ONCE)) tests/maths tests/base tests/threats tests/classifiers tests/core tests/contract tests/attacks/test_jsma.py

shapes: test-shapes

test-oldest: $(OLDEST)/.ready   ## all tests with the oldest dependencies that pyproject.toml allows
	OMP_NUM_THREADS=1 $(OLDEST)/bin/python -m pytest

mutants: $(VENV)/.ready $(MUTANTS)/.ready   ## 300 random changes of the search and its judge: which does no test notice? (an hour; SEED=0)
	$(MUTANTS)/bin/python tests/mutation/sample.py --count 300 --seed $(SEED) src/brittle/threats src/brittle/classifiers src/brittle/core src/brittle/attacks
	OMP_NUM_THREADS=1 nice $(BIN)/python tests/mutation/measure.py tests/base tests/threats tests/classifiers tests/core tests/maths tests/attacks tests/contract
	OMP_NUM_THREADS=1 nice $(BIN)/python tests/mutation/attempt.py .cache/mutation/sample.json
	$(BIN)/python tests/mutation/attempt.py .cache/mutation/sample.json --show

check: $(VENV)/.ready       ## lint, formatting, types, documentation
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(MKDOCS) build --strict --quiet

changelog: $(VENV)/.ready   ## what changelog.d will add to the changelog
	$(BIN)/towncrier build --draft --version "next"

format: $(VENV)/.ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

hooks: $(VENV)/.ready       ## `make check` before every commit
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt pre-commit
	$(BIN)/pre-commit install

docs: $(VENV)/.ready
	$(MKDOCS) serve

bench: $(BENCH)/.ready      ## side by side with the peers
	$(BENCH)/bin/python -m benchmarks

weights: $(VENV)/.ready     ## train the network that comes with the package, as its header says
	$(BIN)/brittle train digits-lenet --data digits:train --test digits:test --device cpu --out .cache/digits-lenet --force
	cp .cache/digits-lenet/weights.safetensors src/brittle/models/weights/digits-lenet.safetensors

# Twenty minutes on two cores; MNIST is a folder with train.parquet and test.parquet.
robust-weights: $(VENV)/.ready  ## train the robust network of MNIST that comes with the package
	$(BIN)/brittle train mnist-a --recipe madry-mnist-quick --data $(MNIST)/train.parquet --test $(MNIST)/test.parquet --out .cache/mnist-a --force
	$(BIN)/python -c "from pathlib import Path; from brittle.training.weights import store_in_halves; store_in_halves(Path('.cache/mnist-a/weights.safetensors'), Path('src/brittle/models/weights/mnist-a-robust.safetensors'))"

# torch pinned: a plain `torch` would bring several GB of CUDA packages to a machine without a GPU. One call of pip, which
# is sooner done than two. Compiled as it is imported, since most of it never is: pip would take a minute for it.
$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --no-compile --disable-pip-version-check --constraint constraints.txt torch --editable '.[dev,docs]'
	touch $@

$(BENCH)/.ready: pyproject.toml constraints.txt benchmarks/requirements.txt
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BENCH)/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	$(BENCH)/bin/pip install --quiet --disable-pip-version-check --no-deps -r benchmarks/requirements.txt
	touch $@

$(OLDEST)/.ready: pyproject.toml tests/oldest.py
	$(PYTHON) -m venv $(OLDEST)
	$(PYTHON) tests/oldest.py > $(OLDEST)/requirements.txt
	$(OLDEST)/bin/pip install --quiet --disable-pip-version-check -r $(OLDEST)/requirements.txt --extra-index-url https://download.pytorch.org/whl/cpu
	$(OLDEST)/bin/pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

$(MUTANTS)/.ready:
	$(PYTHON) -m venv $(MUTANTS)
	$(MUTANTS)/bin/pip install --quiet --disable-pip-version-check 'mutmut>=3.8'   # its operators; the runner is ours
	touch $@

clean:
	rm -rf $(VENV) $(BENCH) $(MUTANTS) $(OLDEST) .cache/mutation site .pytest_cache .ruff_cache .hypothesis .coverage*
