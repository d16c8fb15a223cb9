# Short names for those who work here.
.PHONY: check test slow bench format docs lock demo clean

SETUP := python3 scripts/bootstrap.py --extras test
UV := $(or $(shell command -v uv),.venv/bin/uv)

check: ## everything that must hold
	scripts/test.sh

test: ## the tests alone; make test ARGS="tests/test_metrics.py -x"
	$(SETUP)
	.venv/bin/pytest $(ARGS)

slow: ## the proofs that take minutes
	$(SETUP)
	.venv/bin/pytest -m slow $(ARGS)

bench: ## memory and time of large tables, stage by stage; make bench ARGS="--rows 1000000"
	$(SETUP)
	.venv/bin/python benchmarks/memory.py $(ARGS)

format: ## put the code into the agreed form
	$(SETUP)
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

docs: ## write the generated parts of docs/: the table of settings, what is said about damaged tables
	$(SETUP)
	.venv/bin/python scripts/write_documents.py

lock: ## resolve and pin all dependencies for Python 3.11-3.13; make lock ARGS=--upgrade
	test -x "$(UV)" || .venv/bin/python -m pip install uv
	$(UV) pip compile pyproject.toml --all-extras --universal --python-version 3.11 --quiet \
		--no-header --no-annotate --no-emit-index-url --no-emit-find-links \
		--output-file constraints.txt $(ARGS)

demo: ## train the default model on an embedded data set
	scripts/demo.sh

clean: ## remove caches, keeping .venv and the run folders
	rm -rf build *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -path ./.venv -prune -o -name __pycache__ -type d -exec rm -rf {} +
