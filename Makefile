# `make demo` and `make test` need Python 3.10 or newer and make; each sets up its own environment.
PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin/python
NMTR := $(VENV)/bin/nmtr
SOURCES := nmtr_tf experiments tests setup.py

.PHONY: demo test test-slow test-lowest lint format clean

$(VENV)/installed: setup.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "nmtr_tf needs Python 3.10 or newer; name one with PYTHON=..." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

# Shows a command, runs it and says how long it took.
TIMED := @timed() { echo "\$$ $$*"; began=$$(date +%s); "$$@" && echo "[$$(($$(date +%s) - began)) s]" && echo; }; timed

demo: $(VENV)/installed
	$(TIMED) $(NMTR) prepare --source=synthetic --dataset_dir=out/shop --overwrite
	$(TIMED) $(NMTR) train --method_settings=quickstart --overwrite
	$(TIMED) $(NMTR) evaluate --workdir=out/demo
	$(TIMED) $(NMTR) train --final_of=out/demo --workdir=out/demo_final --overwrite
	$(TIMED) $(NMTR) recommend --workdir=out/demo_final --k=5
	@rm -rf out/models/demo
	$(TIMED) $(NMTR) export --workdir=out/demo_final --export_dir=out/models/demo --k=5
	@echo "The exported model, asked by a fresh process that has TensorFlow alone:"
	$(TIMED) env TF_CPP_MIN_LOG_LEVEL=3 $(VENV)/bin/saved_model_cli run --dir out/models/demo/1 --tag_set serve \
	  --signature_def serving_default --input_exprs 'user_id=["user-0000", "somebody-new"]' 2>/dev/null
	@echo "And somebody of whom it knows what he touched just now:"
	$(TIMED) env TF_CPP_MIN_LOG_LEVEL=3 $(VENV)/bin/saved_model_cli run --dir out/models/demo/1 --tag_set serve \
	  --signature_def recommend_for_history \
	  --input_exprs 'item_id=[["item-0386", "item-0235"]];behavior=[["view", "cart"]]' 2>/dev/null

test: $(VENV)/installed
	$(RUN) -m pytest -m "not slow" --numprocesses=2 --dist=worksteal

test-slow: $(VENV)/installed
	$(RUN) -m pytest -m slow -rs --numprocesses=2 --dist=worksteal

# The quick tests with the lowest versions that setup.py allows, in an environment beside the other.
test-lowest:
	sed -n "s/^[^\"']*[\"']\([a-z][a-z0-9-]*\)>=\([0-9.]*\).*/\1==\2/p" setup.py | sort -u > $(VENV)-lowest.txt
	PIP_CONSTRAINT=$(VENV)-lowest.txt $(MAKE) test VENV=$(VENV)-lowest

lint: $(VENV)/installed
	$(VENV)/bin/ruff check $(SOURCES)
	$(VENV)/bin/ruff format --check $(SOURCES)
	$(VENV)/bin/mypy

format: $(VENV)/installed
	$(VENV)/bin/ruff check --fix $(SOURCES)
	$(VENV)/bin/ruff format $(SOURCES)

clean:
	rm -rf $(VENV) $(VENV)-lowest* out build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache
	find nmtr_tf experiments tests -name __pycache__ -type d -prune -exec rm -rf {} +
