# Every command of the project; each target prints what it runs.
.PHONY: help setup study test test-fast check bench clean
.NOTPARALLEL:
BIN := .venv/bin
SHELL := /bin/bash
# An empty environment has neither of these.
export PATH ?= /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME ?= $(shell echo ~)

help:
	@echo "make study      a small study on embedded data, ending in an HTML Pareto report"
	@echo "make test       all that CI runs: check, then every test"
	@echo "make test-fast  the tests without the slow ones and the browser"
	@echo "make check      lint, formatting, import layers, types"
	@echo "make setup      .venv with the tested packages (the others call it)"
	@echo "make bench      how long the commands take that should feel instant"
	@echo "make clean      remove .venv, caches and the embedded data; studies and reports stay"

setup:
	bash scripts/setup.sh

study: setup
	bash scripts/system-packages.sh --optional ffmpeg
	$(BIN)/msdemucs data synth data/synthetic --tracks 8 --seconds 20 --seed 0
	if command -v ffmpeg >/dev/null; then $(BIN)/msdemucs data sample data/sample; fi
	$(BIN)/msdemucs study run search_spaces/multires.yaml --small --workers 2
	$(BIN)/msdemucs study judge multires-small --top 1
	$(BIN)/msdemucs report multires-small

check: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports
	$(BIN)/mypy

test: setup
	bash scripts/system-packages.sh ffmpeg chromium postgresql
	$(MAKE) check
	$(BIN)/pytest

test-fast: setup
	$(BIN)/pytest -m "not slow and not browser"

bench: setup
	$(BIN)/python benchmarks/startup.py

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis data/synthetic data/sample
