# The project's habits, one target each. They start from git, make and a Python >= 3.11 that has `venv`; whatever else they
# need they install once into .venv, from the versions that uv.lock names. `make PYTHON=/path/to/python` chooses the Python.

PYTHON ?= python3
ANSWERABLE_CRASH_RUNS ?= 2000
ROOMS := agents answerable approvals benchmarks examples orchestrator tests tracing

UV_VERSION := 0.13.8
UV := .venv/bin/uv
UV_READY := .venv/.ready-uv-$(UV_VERSION)
export UV_PYTHON_DOWNLOADS := never

.PHONY: demo test check format bench crash setup

demo: .venv/.ready-demo  ## the storm, from its forecast to the decision, in this terminal
	.venv/bin/answerable demo logistics

test: .venv/.ready-all  ## every test but the long ones
	scripts/postgresql
	.venv/bin/pytest --numprocesses=auto --maxprocesses=8

check: .venv/.ready-all  ## what can be said about the code without running it
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-logo
	.venv/bin/pylint --recursive=y --score=n $(ROOMS)

format: .venv/.ready-all  ## repair what can be repaired without thinking
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

bench: .venv/.ready-all  ## what a step costs, beside the peers
	.venv/bin/python -m benchmarks.hop

crash: .venv/.ready-all  ## kill the logistics run at random instants, ANSWERABLE_CRASH_RUNS times
	ANSWERABLE_CRASH_RUNS=$(ANSWERABLE_CRASH_RUNS) .venv/bin/pytest tests/crash -m long

setup: .venv/.ready-all  ## all that the other targets need
	scripts/postgresql

# The demo needs few packages, and a newcomer waits for them; the rest of us have them all.
.venv/.ready-demo: $(UV_READY) pyproject.toml uv.lock
	$(UV) sync --quiet --frozen --inexact --no-default-groups --extra logistics
	@touch $@

.venv/.ready-all: $(UV_READY) pyproject.toml uv.lock
	$(UV) sync --quiet --frozen --inexact --all-extras --all-groups
	@touch .venv/.ready-demo $@

$(UV_READY):
	scripts/bootstrap $(PYTHON) $(UV_VERSION)
	@touch $@
