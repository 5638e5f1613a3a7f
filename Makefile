# The two commands: `make run` and `make test`. Both set everything up first.
# Rust is optional: without cargo the pure-Python core serves, and one line says so.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready

.PHONY: run test check fast proto texts golden bench simulate test-faults test-long fuzz clean
.DEFAULT_GOAL := help

help:
	@echo "make run    start Fenliu with demo shops and a sale-day sample (ONCE=1: then exit)"
	@echo "make test   all tests"
	@echo "make check  formatting, lints, types"
	@echo "make fast   the quick tests only"
	@echo "make bench  the benchmarks, figures for benchmarks/README.md"
	@echo "make simulate SEEDS=1000  whole runs with faults, each from a seed (docs/durability.md)"
	@echo "make test-faults  harm done to servers and disks on purpose; make test-long  for hours, resumable"
	@echo "make proto  regenerate the code made from proto/"
	@echo "make texts  regenerate the schema of shop files and click's Chinese"

run: setup
	@$(BIN)/fenliu demo $(if $(ONCE),--once)

test: setup
	@$(BIN)/python scripts/test.py

fast: setup
	@$(BIN)/python scripts/test.py --fast

check: setup
	@$(BIN)/python scripts/check.py

bench: setup
	@$(BIN)/python -m benchmarks

test-faults: setup
	@$(BIN)/python scripts/faults.py

test-long: setup
	@$(BIN)/python scripts/faults.py --long

fuzz: setup
	@$(BIN)/python scripts/fuzz_seeds.py
	@cd core_rs/fuzz && RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir . --sanitizer none $(or $(TARGET),commands) \
	  corpus/$(or $(TARGET),commands) kept/$(or $(TARGET),commands) \
	  -- -timeout=10 -max_total_time=$$((60 * $(or $(MINUTES),30)))

simulate: setup
	@cd tests && PYTHONPATH=../server:. ../$(BIN)/python -m simulation --seeds $(or $(SEEDS),1000) \
	  --first $(or $(FIRST),0) --core $(or $(CORE),auto) $(if $(STATE),--state $(abspath $(STATE)))

proto: setup
	@$(BIN)/python scripts/generate_proto.py

texts: setup
	@$(BIN)/python scripts/generate_schema.py
	@$(BIN)/python scripts/generate_messages.py

golden: setup
	@$(BIN)/python scripts/generate_golden.py

.PHONY: setup
setup:
	@$(PYTHON) scripts/setup.py

clean:
	rm -rf $(VENV) core_rs/target server/fenliu/engine/_core*.so .pytest_cache .mypy_cache .ruff_cache .hypothesis
