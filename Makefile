# Everything that a checkout can do. Each target makes the environment it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT := out
export OMP_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow lint bench clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-10s %s\n", $$1, $$2}'

demo: $(VENV)/.demo ## solve a portfolio, train CartPole, compare CG with Cholesky; pictures under out/
	@mkdir -p $(OUT)
	@echo "=== 1 of 3: a QCQP from real data"
	$(BIN)/python examples/portfolio/portfolio.py --out $(OUT)
	@echo
	@echo "=== 2 of 3: TRPO on CartPole-v1"
	@rm -rf $(OUT)/cartpole
	$(BIN)/python -m case_studies.trpo train --env CartPole-v1 --steps 100000 --seed 0 --out $(OUT)/cartpole
	$(BIN)/python -m case_studies.trpo evaluate $(OUT)/cartpole
	$(BIN)/python -m case_studies.trpo plot $(OUT)/cartpole --out $(OUT)/cartpole.png
	@echo
	@echo "=== 3 of 3: conjugate gradient against the dense solve"
	$(BIN)/python benchmarks/cg_vs_dense.py --out $(OUT)
	@echo
	@echo "Pictures:"
	@ls $(OUT)/*.png

test: lint kernel ## linters, types, tests and doctests
	$(BIN)/python -m pytest -m "not slow"

test-slow: kernel ## the tests that take minutes
	$(BIN)/python -m pytest -m slow

lint: $(VENV)/.dev ## ruff and mypy alone
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/.demo ## the full benchmark of CG against the dense solve
	$(BIN)/python benchmarks/cg_vs_dense.py --out $(OUT)

clean: ## remove the environment and everything that was generated
	rm -rf $(VENV) $(OUT) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "error: convexkit needs Python 3.10 or newer; name one with: make PYTHON=python3.11 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@# The pip of an older Python can take minutes to choose versions that a current one finds at once.
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.demo: setup.cfg $(BIN)/python
	$(BIN)/python -m pip install --quiet -e '.[plot,trpo]'
	@touch $@

$(VENV)/.dev: setup.cfg $(BIN)/python
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	@touch $@

.PHONY: kernel
kernel: $(VENV)/.dev
	@$(BIN)/python -m convexkit compile
