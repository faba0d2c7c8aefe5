# Continuous integration runs `make slow` and `make check`.
PYTHON ?= python
# Two processes: the suite waits for subprocesses often enough that this pays on two cores.
PYTEST_FLAGS ?= -n 2 --dist worksteal

.PHONY: help check lint types imports test slow bench cluster fuzz faults lock audit sbom man readme picture format clean
.NOTPARALLEL:

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  \1\t/p' Makefile | expand -t 12

check: lint types imports test  ## everything that must pass before a commit is shared

lint:  ## style
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

types:  ## static types
	$(PYTHON) -m mypy --num-workers 2

imports:  ## the layers of the architecture
	$(PYTHON) -c "from importlinter.cli import lint_imports_command as run; run()"

test:  ## tests; PYTEST_FLAGS= for one process
	$(PYTHON) -m pytest $(PYTEST_FLAGS)

slow:  ## tests that take more than some seconds, of which `check` runs shorter ones
	$(PYTHON) -m pytest -m slow $(PYTEST_FLAGS)

bench:  ## measured speeds, printed and held against their bounds
	$(PYTHON) -m pytest -m bench -s -p no:cacheprovider tests/bench

cluster:  ## arrays on a real Slurm, some minutes each
	$(PYTHON) -m pytest -m cluster -s -p no:cacheprovider tests/cluster tests/cli/test_run_interruptions.py

fuzz:  ## readers and parser against mutated and large input; LOGOS_FUZZ_SECONDS=600 each
	LOGOS_FUZZ_SECONDS=$${LOGOS_FUZZ_SECONDS:-600} $(PYTHON) -m pytest -m fuzz -s
	for target in $$($(PYTHON) tests/fuzz/atheris_readers.py --list); do \
	  $(PYTHON) tests/fuzz/atheris_readers.py $$target -max_total_time=$${LOGOS_FUZZ_SECONDS:-600} || exit 1; \
	done
	$(PYTHON) tests/fuzz/headers.py $${LOGOS_FUZZ_FILES:-2000}

faults:  ## faults at random moments of every command, 50 of each kind: hours, can be stopped and go on
	$(PYTHON) -m tests.faults.campaign --times $${LOGOS_FAULT_TIMES:-50} --journal build/faults.jsonl --table docs/measurements/faults.md

lock:  ## versions and hashes of what the tests need, .ci/lock.txt (needs uv); LOCK_FLAGS=--upgrade for the newest
	$(PYTHON) scripts/lock.py $(LOCK_FLAGS)

audit:  ## known weaknesses of the installed versions; reports if it did not run
	$(PYTHON) scripts/audit.py

sbom:  ## bill of materials of the environment (CycloneDX), in build/
	$(PYTHON) scripts/write_sbom.py build/sbom.cdx.json

man:  ## write the manual pages anew
	$(PYTHON) scripts/generate_man.py

readme:  ## write what the commands in README.md and docs/ print
	$(PYTHON) scripts/update_readme.py

picture:  ## draw the rooms and their imports
	$(PYTHON) -m scripts.draw_architecture

format:  ## let ruff rewrite what it can
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

clean:  ## remove what tools leave behind
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
