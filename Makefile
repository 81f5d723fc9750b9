# Every target works on a fresh machine: it makes the environment it needs first.

VENV ?= .venv
BIN := $(VENV)/bin
# TensorFlow and Keras have wheels for these.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	>/dev/null 2>&1 && echo $$p && break; done)

# tensorflow-addons ended with TensorFlow 2.15, which has wheels for these.
ADDONS_VENV ?= .venv-addons
ADDONS_PYTHON ?= $(shell for p in python3.11 python3.10 python3.9 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 9) <= sys.version_info < (3, 12))' \
	>/dev/null 2>&1 && echo $$p && break; done)

OLD_KERAS_VENV ?= .venv-old-keras

# The tests of single parts; pytest says so if one of these is gone.
QUICK := \
	tests/augmentation \
	tests/data \
	tests/folders \
	tests/layers \
	tests/metrics --ignore=tests/metrics/features \
	tests/runs/test_run_log.py \
	tests/test_gan.py \
	tests/test_growth.py \
	tests/test_imports.py \
	tests/test_losses.py \
	tests/test_optimizers.py \
	tests/test_penalties.py \
	tests/test_sampling.py \
	tests/test_schedules.py \
	tests/test_systems.py \
	tests/trainers/test_docs.py \
	tests/trainers/test_dry_run.py \
	tests/trainers/test_main.py \
	tests/trainers/training/test_lengths.py \
	tests/trainers/training/test_model_dir.py \
	tests/trainers/training/test_progress.py \
	tests/trainers/training/test_recipe.py \
	tests/trainers/training/test_resuming.py
# Two processes, each running whole test files: most wait for graphs to be built.
PYTEST := $(BIN)/python -m pytest -n 2 --dist=loadfile --no-loadscope-reorder

.PHONY: help demo quick test slow numerics lint format bench serving serve-real quality gallery browser wheel clean
.PHONY: old-keras interop addons-python addons-found addons-environment

help:
	@echo "make demo    train, export, serve and show CycleGAN (about 8 minutes)"
	@echo "make quick   the tests of single parts, to run while working (under 3 minutes)"
	@echo "make test    every test but the slow ones"
	@echo "make slow    the slow tests, which repeat those for other systems and backends"
	@echo "make numerics  the numerical tests, with each kind of kernel and thread count (minutes)"
	@echo "make lint    ruff: rules and formatting; mypy: types"
	@echo "make format  ruff: fixes what it can"
	@echo "make interop models of the real tensorflow-addons against their conversions (about 2 minutes)"
	@echo "make old-keras  exported .keras files in the oldest Keras that loads them (about 1 minute)"
	@echo "make quality train and evaluate CycleGAN and Pix2Pix on bundled data (under an hour)"
	@echo "make gallery train the systems of docs/gallery.md on bundled data and show them"
	@echo "make bench   our CycleGAN and StyleGAN against PyTorch (about 10 minutes)"
	@echo "make serving the local endpoint against the same model in process (about 6 minutes)"
	@echo "make serve-real  the same requests to TensorFlow Serving (docker) and to the local endpoint"

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed; none was found. Install one, or name it: make PYTHON=/path/to/python"; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: setup.cfg pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[demo]'
	touch $@

$(VENV)/.dev: setup.cfg pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@ $(VENV)/.demo

demo: $(VENV)/.demo
	$(BIN)/python -m trainers.demo

# The studio's page is tested in a browser: Debian's, where this may install it.
browser:
	@command -v chromium >/dev/null || test "$$(id -u)" -ne 0 || ! command -v apt-get >/dev/null || \
		{ apt-get -qq update && apt-get -qq install -y --no-install-recommends chromium; } >/dev/null || true
	@command -v chromium >/dev/null || echo "No chromium: the tests of export.studio's page are skipped"

quick: $(VENV)/.dev
	$(PYTEST) -q $(QUICK)

test: $(VENV)/.dev
	$(PYTEST)

slow: $(VENV)/.dev browser
	$(BIN)/python -m pytest -m slow || test $$? -eq 5  # 5: there are none

numerics: $(VENV)/.dev
	$(BIN)/python -m tests.numerics

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m mypy

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks.cyclegan
	$(BIN)/python -m benchmarks.stylegan --image_size=64
	$(BIN)/python -m benchmarks.stylegan --image_size=256 --runs=5 --warmup=1

serving: $(VENV)/.dev
	$(BIN)/python -m benchmarks.serving

serve-real: $(VENV)/.dev
	$(BIN)/python -m tests.real_server

quality: $(VENV)/.dev
	$(BIN)/python -m benchmarks.quality

gallery: $(VENV)/.dev
	$(BIN)/python -m benchmarks.gallery

# Named first, so that its absence is reported before anything is installed.
interop: addons-found $(VENV)/.dev build/addons/.made
	$(BIN)/python -m pytest -q -s tests/interop/addons/test_real.py

addons-python:
	@echo "$(ADDONS_PYTHON)"

addons-found:
	@test -n "$(ADDONS_PYTHON)" || { echo "Python 3.9, 3.10 or 3.11 is needed for tensorflow-addons; none was found. Install one, or name it: make interop ADDONS_PYTHON=/path/to/python"; exit 2; }

$(ADDONS_VENV)/.installed: requirements-addons.txt | addons-found
	$(ADDONS_PYTHON) -m venv $(ADDONS_VENV)
	$(ADDONS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-addons.txt
	touch $@

addons-environment: $(ADDONS_VENV)/.installed

build/addons/.made: $(addprefix tests/interop/addons/,record.py models.py layer_models.py) $(ADDONS_VENV)/.installed
	rm -rf build/addons
	$(ADDONS_VENV)/bin/python tests/interop/addons/record.py build/addons
	touch $@

$(OLD_KERAS_VENV)/.installed: requirements-old-keras.txt | $(BIN)/python
	$(BIN)/python -m venv $(OLD_KERAS_VENV)
	$(OLD_KERAS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-old-keras.txt
	touch $@

old-keras: $(VENV)/.dev $(OLD_KERAS_VENV)/.installed
	OLD_KERAS_PYTHON=$(abspath $(OLD_KERAS_VENV))/bin/python $(BIN)/python -m pytest -q tests/export/keras_file/test_plain_keras.py tests/export/keras_file/test_plain_keras_generators.py -k old_keras

wheel: $(VENV)/.dev
	$(BIN)/python -m build --wheel

clean:
	rm -rf $(VENV) $(ADDONS_VENV) $(OLD_KERAS_VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
