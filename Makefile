# Thin names for the commands that matter; .ci/venv does the one thing that is not a single command.
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
export PYTHON
BIN := .venv/bin
UV := $(or $(shell command -v uv),.venv-lock/bin/uv)
CORES := $(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
# One worker more than cores: some tests wait for clocks and other processes.
JOBS := $(or $(JOBS),$(shell expr 1 + $(CORES)))
# Workers share the tests; bytecode is kept, because every command that a test starts would compile the bot anew.
PYTEST = env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -n $(JOBS) --dist worksteal
COMPILE = $(UV) pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11

.PHONY: demo data test test-all simulate soak controls bench reference docs lint types lock clean help venv venv-dev

demo: venv  ## run one keyless demo on the embedded exchange (makes .venv first)
	@$(BIN)/sectorbot demo $(ARGS)

data: venv-dev  ## what back-tests, sweeps and --market need besides (pyarrow, distributed, optuna)

test: venv-dev  ## run the tests, in four minutes on two cores (ARGS="-k word" narrows it, JOBS=2)
	@echo "running the tests with $(JOBS) workers, without those marked slow"
	@HYPOTHESIS_PROFILE=quick $(PYTEST) -m "not slow" $(ARGS)

test-all: venv-dev  ## run every test, the slow ones as well: sweeps, soak, mutants, seeds at the wire
	@echo "running all tests with $(JOBS) workers"
	@HYPOTHESIS_PROFILE=gate $(PYTEST) $(ARGS)

simulate: venv-dev  ## seeded faults against the real bot in virtual time (SEEDS=100 SEED=… SEAM=wire)
	@$(BIN)/python -m tests.sim --jobs 2 --seeds $(or $(SEEDS),20) $(if $(SEAM),--seam $(SEAM)) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED))

soak: venv-dev  ## the real daemon on real sockets, killed and disturbed (MINUTES=2 SEED=…)
	@$(BIN)/python -m tests.soak --minutes $(or $(MINUTES),2) $(if $(SEED),--seed $(SEED))

controls: venv-dev  ## take each control of docs/controls.md out in turn and see its tests fail; takes ten minutes
	@$(BIN)/python -m tests.controls --jobs 2 $(ARGS)

bench: venv-dev  ## run every bench and write docs/performance.md, in 20 minutes (ARGS="plan orders" runs some)
	@$(BIN)/python -m tests.bench $(ARGS)

reference: venv-dev  ## write config/default.toml, config/schema.json and the pages of settings, reasons and endpoints from the code
	@$(BIN)/python -m tests.runtime.settings_files
	@$(BIN)/python -m tests.simex.endpoints_page

docs: venv-dev  ## build the site of docs/ into site/, strictly and without a network
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

lint: venv-dev  ## check style and formatting with ruff
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: venv-dev  ## check types with mypy --strict
	@$(BIN)/mypy --strict bot

lock:  ## pin all dependencies anew, with hashes (needs the registry; UPGRADE=1 moves to newer versions)
	@command -v $(UV) >/dev/null || { $(or $(PYTHON),python3) -m venv .venv-lock && .venv-lock/bin/pip install -qq uv==0.13.9; }
	@$(COMPILE) $(if $(UPGRADE),--upgrade) pyproject.toml -o requirements.lock
	@$(COMPILE) $(if $(UPGRADE),--upgrade) pyproject.toml --extra data --group dev -c requirements.lock -o requirements-dev.lock
	@$(COMPILE) $(if $(UPGRADE),--upgrade) --group build -c requirements-dev.lock -o requirements-build.lock
	@rm -rf .venv-lock

clean:  ## remove .venv, caches and build results (journals and settings stay)
	@rm -rf .venv .venv-lock dist build site .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find bot tests -type d -name __pycache__ -prune -exec rm -rf {} +

help:  ## say what each target does
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/make \1	\2/p' $(MAKEFILE_LIST) | expand -t 14

venv:
	@.ci/venv requirements.lock

venv-dev:
	@.ci/venv requirements-dev.lock
