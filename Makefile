# The project's habits, one target each. They start from git, make and a Python >= 3.11 that has `venv`; whatever else they
# need they install once into .venv, from the versions and hashes in requirements/. `make PYTHON=/path/to/python` chooses
# the Python.

PYTHON ?= python3
ANSWERABLE_CRASH_RUNS ?= 2000
ANSWERABLE_SOAK_SECONDS ?= 3600
ROOMS := agents answerable approvals benchmarks examples inbox orchestrator tests tracing

UV := .venv/bin/uv
INSTALL := $(UV) pip install --quiet --python .venv/bin/python
COMPILE := $(UV) pip compile --quiet --python .venv/bin/python --universal --python-version 3.11 --generate-hashes \
	--no-annotate --custom-compile-command "make lock"
export UV_PYTHON_DOWNLOADS := never

.PHONY: demo test check types layers duplicates guide golden format bench crash soak jaeger setup lock

demo: .venv/.ready-demo  ## the storm, from its forecast to the decision, in this terminal
	.venv/bin/answerable demo logistics || test $$? -eq 3  # 3: it waits for a person, as it does without a terminal

test: .venv/.ready-all  ## every test but the long ones
	scripts/postgresql
	scripts/chromium
	scripts/jaeger
	scripts/services
	scripts/provider
	scripts/test

check: .venv/.ready-all  ## what can be said about the code without running it
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	$(MAKE) --no-print-directory --jobs --output-sync=target types layers duplicates

types:
	.venv/bin/mypy

layers:
	.venv/bin/lint-imports --no-logo

duplicates:
	.venv/bin/pylint --recursive=y --score=n $(ROOMS)

guide: .venv/.ready-all  ## the guide's generated tables, from the code
	.venv/bin/python -m tests.support.guide

golden: .venv/.ready-all  ## the golden ledgers that are missing, and their spans; what is stored is left as it is
	.venv/bin/python -m tests.golden.files

format: .venv/.ready-all  ## repair what can be repaired without thinking
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

bench: .venv/.ready-all  ## what a step costs, beside the peers; what an outage loses; how long an answer to "why?" takes
	.venv/bin/python -m benchmarks.hop
	.venv/bin/python -m benchmarks.verify
	.venv/bin/python -m benchmarks.delivery
	.venv/bin/python -m benchmarks.why
	.venv/bin/python -m benchmarks.freeze
	.venv/bin/python -m benchmarks.rules
	.venv/bin/python -m benchmarks.inbox

crash: .venv/.ready-all  ## kill the logistics run at random instants, ANSWERABLE_CRASH_RUNS times
	ANSWERABLE_CRASH_RUNS=$(ANSWERABLE_CRASH_RUNS) .venv/bin/pytest tests/crash -m long -o faulthandler_timeout=0 --numprocesses=auto

soak: .venv/.ready-all  ## a collector that is away for ANSWERABLE_SOAK_SECONDS, and kills meanwhile
	ANSWERABLE_SOAK_SECONDS=$(ANSWERABLE_SOAK_SECONDS) .venv/bin/pytest tests/soak -m soak -o faulthandler_timeout=0

jaeger:  ## a Jaeger for a look at runs, in this terminal until Ctrl-C
	scripts/jaeger run

setup: .venv/.ready-all  ## all that the other targets need
	scripts/postgresql
	scripts/chromium
	scripts/jaeger
	scripts/services
	scripts/provider

lock: .venv/.ready-setup  ## requirements/ after a change of pyproject.toml; the newest of all with UPGRADE=--upgrade
	$(COMPILE) $(UPGRADE) pyproject.toml --all-extras --group dev --group bench --output-file requirements/all.txt
	$(COMPILE) pyproject.toml --extra logistics --extra inbox --constraints requirements/all.txt --output-file requirements/demo.txt
	$(COMPILE) pyproject.toml --all-extras --constraints requirements/all.txt --output-file requirements/container.txt
	$(COMPILE) --group setup --constraints requirements/all.txt --output-file requirements/setup.txt

# The demo needs few packages, and a newcomer waits for them; the rest of us have them all.
.venv/.ready-demo: .venv/.ready-setup pyproject.toml requirements/demo.txt
	$(INSTALL) --require-hashes --requirements requirements/demo.txt
	$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

# Compiled once: the tests start hundreds of interpreters, and where PYTHONDONTWRITEBYTECODE is set each of them would
# compile every library that it imports.
.venv/.ready-all: .venv/.ready-setup pyproject.toml requirements/all.txt
	$(INSTALL) --require-hashes --requirements requirements/all.txt
	.venv/bin/python -m compileall -qq -j 0 .venv/lib
	$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch .venv/.ready-demo $@

.venv/.ready-setup: requirements/setup.txt
	scripts/bootstrap $(PYTHON) $<
	@touch $@
