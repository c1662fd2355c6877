# `make help` lists the targets. Everything installs itself into .venv first.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
DEMO ?= fixtures/demo.flac
APT := -qq -o Acquire::Retries=2 -o Acquire::http::Timeout=30 -o Acquire::https::Timeout=30

# The tests start hundreds of processes, and each would compile all that it imports once more.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test programs lint types agents interop fixtures clean bench-pace bench-proxy bench-sandbox bench-kill bench-rescore bench-overhead bench-soak-page bench-capacity bench-simulate soak-smoke

help:  ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "replay needs Python 3.11 or newer; set PYTHON=")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(READY)  ## Play a recording into a sandbox on this machine
	$(BIN)/replay run $(DEMO) --endpointing 300ms

test: $(READY) lint types programs  ## Everything: style, types, tests
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal

# A page is tested in a real browser, and a recipe for pipelines with what it calls. Where they cannot
# be had, those tests say so and are skipped.
programs: export DEBIAN_FRONTEND := noninteractive
programs:
	@{ command -v chromium && command -v curl; } >/dev/null \
		|| [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null \
		|| { apt-get $(APT) update && apt-get $(APT) install --yes --no-install-recommends chromium curl; } \
		>/dev/null 2>&1 </dev/null || true

lint: $(READY)  ## Style
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(READY)  ## Types
	$(BIN)/mypy

bench-pace: $(READY)  ## Drift and lateness, beside a relative sleep in the same run
	$(BIN)/python tests/bench/pace.py

bench-proxy: $(READY)  ## What an idle injector adds, beside the direct path in the same run
	$(BIN)/python tests/bench/proxy.py

bench-sandbox: $(READY)  ## Real-time sessions on one core of the sandbox, and its acks' latency
	$(BIN)/python tests/bench/sandbox.py

bench-rescore: $(READY)  ## A stored hour of 10,000 words, loaded, measured and rendered again
	$(BIN)/python tests/bench/rescore.py

bench-kill: $(READY)  ## A sandbox killed in the middle of twenty sessions, 200 times; restarts
	$(BIN)/python tests/bench/kill.py

bench-overhead: $(READY)  ## What our client costs, beside the published Python SDK in the same run
	$(BIN)/python tests/bench/overhead.py

bench-soak-page: $(READY)  ## What it takes to show twelve hours of a soak
	$(BIN)/python tests/bench/soak_page.py

soak-smoke: $(READY)  ## Two minutes of a soak: twenty sessions that are cut off again and again
	$(BIN)/replay soak $(DEMO) --for 2m --sessions 20 --session-length 40s --seed 1 --out runs/soak-smoke-$$(date +%s) \
		--fault 'reset @ poisson 4/min' --fault 'hold(both, 2s) @ poisson 1/min' --fault 'restart(2s) @ 1m' \
		--assert 'lost_bytes == 0'

bench-capacity: $(READY)  ## Four hundred recorded sessions of our client on two cores
	$(BIN)/python tests/bench/capacity.py

bench-simulate: $(READY)  ## How many times faster than real time sessions are simulated
	$(BIN)/python tests/bench/simulate.py

agents: $(READY)  ## The published clients, to put through `replay grid` (needs node and npm)
	@for tool in node npm; do command -v $$tool >/dev/null \
		|| { echo "make agents: $$tool is not there (Debian: nodejs, npm)" >&2; exit 1; }; done
	npm install --prefix tests/agents --no-package-lock --no-audit --no-fund --silent

interop: agents .venv-interop/.ready  ## Published clients against the sandbox (installs them; needs node and npm)
	$(BIN)/python tests/interop.py

.venv-interop/.ready: tests/agents/requirements.txt
	@test -x .venv-interop/bin/python || $(PYTHON) -m venv .venv-interop
	.venv-interop/bin/pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

fixtures: $(READY)  ## Make the recordings in fixtures/ again (needs Debian's espeak-ng)
	$(BIN)/python fixtures/make.py

clean:  ## Remove what was installed and measured
	rm -rf .venv .venv-interop runs .pytest_cache .mypy_cache .ruff_cache .hypothesis
