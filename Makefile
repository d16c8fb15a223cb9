# Short names for those who work here.
.PHONY: check test proofs slow site search-proofs prove-serve prove-export bench bench-accuracy bench-everyday bench-m3 bench-fev bench-stores bench-coverage bench-cells bench-cores bench-actors bench-parts bench-tables bench-peers format docs lock demo clean leak-proofs cluster-proofs examples attack-models mutants long-runs reliability audit release

SETUP := python3 scripts/bootstrap.py --extras test
UV := $(or $(shell command -v uv),.venv/bin/uv)
PEERS := $(abspath $(or $(PEERS),../forecast-peers))

check: ## the checks and the quick tests
	scripts/test.sh

test: ## the tests alone; make test ARGS="tests/scores/test_metrics.py -x"
	$(SETUP)
	.venv/bin/pytest $(ARGS)

proofs: ## the proofs that take seconds: processes killed, documents and notebooks run, grids of combinations
	$(SETUP)
	.venv/bin/pytest -n 2 --dist loadfile -m proof $(ARGS)

slow: ## the proofs that take minutes
	$(SETUP) docs
	.venv/bin/pytest -m slow $(ARGS)

search-proofs: ## searches killed at every write, on full disks, and with their processes: prints the counts; REAL="--kills 3"
	$(SETUP)
	PYTHONPATH=.:tests FORECAST_NATIVE=0 TF_CPP_MIN_LOG_LEVEL=3 .venv/bin/python tests/search/kills.py $(ARGS)
	PYTHONPATH=.:tests TF_CPP_MIN_LOG_LEVEL=3 .venv/bin/python tests/search/real_kills.py --memory 50 $(REAL)

cluster-proofs: ## parts, segments, ensembles, searches and backtests whose workers, drivers and nodes are killed: prints the counts; ARGS="--kills 5 --local"
	$(SETUP)
	PYTHONPATH=.:tests TF_CPP_MIN_LOG_LEVEL=3 .venv/bin/python tests/cluster/cluster_kills.py $(ARGS)

leak-proofs: ## the leak check of 200 random tables and experiments: prints the counts
	$(SETUP)
	PYTHONPATH=.:tests TF_CPP_MIN_LOG_LEVEL=3 .venv/bin/python tests/leak_cases.py $(ARGS)

attack-models: ## saved models changed on purpose, with fitting hashes: prints the counts; ARGS="--count 1000 --seed 7"
	$(SETUP)
	PYTHONPATH=.:tests TF_CPP_MIN_LOG_LEVEL=3 .venv/bin/python tests/forecasting/attacks.py $(ARGS)

mutants: ## checks broken one at a time, each of which a test has to notice: prints the counts; ARGS="--only search"
	$(SETUP)
	PYTHONPATH=.:tests TF_CPP_MIN_LOG_LEVEL=3 .venv/bin/python tests/mutants/run.py $(ARGS)

long-runs: ## fits, predictions and requests by the thousand in one process: prints memory, descriptors and threads; ARGS="--fits 100"
	$(SETUP)
	PYTHONPATH=.:tests TF_CPP_MIN_LOG_LEVEL=3 .venv/bin/python tests/long_runs.py $(ARGS)

reliability: ## every attack that is missing, and the table in docs/reliability.md; ARGS="--only models"
	$(SETUP)
	.venv/bin/python scripts/reliability.py $(ARGS)

audit: ## licences, imports that are declared nowhere, advisories where an index answers
	$(SETUP)
	.venv/bin/python scripts/audit.py $(ARGS)

release: ## a wheel with the compiled loops, the same bytes on every build, and its bill of materials, in build/release
	$(SETUP)
	.venv/bin/python scripts/release.py build/release $(ARGS)

prove-serve: ## the service under broken bodies, slow connections and overload: prints the counts; ARGS="--fuzz 1000"
	$(SETUP)
	PYTHONPATH=.:tests .venv/bin/python tests/serving/prove.py $(ARGS)

prove-export: ## files of every network, loss, ensemble and covariate against the forecaster: prints a table; ARGS="--ways 2"
	$(SETUP)
	PYTHONPATH=.:tests TF_CPP_MIN_LOG_LEVEL=3 .venv/bin/python tests/export/prove.py $(ARGS)

bench: ## measure, and write benchmarks/README.md; make bench ARGS="--only steps sweep", ARGS=--quick
	$(SETUP)
	PEERS="$(PEERS)" .venv/bin/python benchmarks/run_all.py $(ARGS)

bench-accuracy: ## published protocols, beside others; make bench-accuracy ARGS="--sets etth1 --seeds 0"
	$(SETUP)
	.venv/bin/python benchmarks/accuracy/run.py $(ARGS)

bench-everyday: ## the default on small tables, beside baselines and AutoETS; make bench-everyday ARGS="--tables nile"
	$(SETUP)
	.venv/bin/python benchmarks/accuracy/everyday/run.py $(ARGS)

bench-m3: ## the default on the M3 competition, beside Theta and AutoETS; make bench-m3 ARGS="--groups yearly"
	$(SETUP)
	.venv/bin/python benchmarks/accuracy/m3/run.py $(ARGS)

bench-fev: ## the default on two tasks of fev-bench; make bench-fev ARGS="--markets NP"
	$(SETUP)
	.venv/bin/python benchmarks/accuracy/fev/run.py $(ARGS)

bench-stores: ## time and error of the default on 50 stores, beside AutoETS
	$(SETUP)
	.venv/bin/python benchmarks/accuracy/stores/run.py $(ARGS)

bench-coverage: ## how much intervals hold on real test parts
	$(SETUP)
	.venv/bin/python benchmarks/accuracy/coverage.py $(ARGS)

bench-cells: ## recurrent cells, attention and layers at equal parameters; make bench-cells ARGS=--time
	$(SETUP)
	.venv/bin/python benchmarks/cells/run.py $(ARGS)

bench-cores: ## a train step on every number of cores there is, and by a model beyond; ARGS="--cases A"
	$(SETUP)
	.venv/bin/python benchmarks/cores.py $(ARGS)

bench-actors: ## time and memory with 1, 2 and 4 actors of a Ray cluster of this machine; ARGS="--only parts"
	$(SETUP)
	.venv/bin/python benchmarks/actors.py $(ARGS)

bench-parts: ## processor time and memory of forecasts through parts, up to a million series; ARGS="--series 10000"
	$(SETUP)
	.venv/bin/python benchmarks/parts.py $(ARGS)

bench-tables: ## public files tried as a new user would: docs/public-tables.md; make bench-tables CACHE=FOLDER
	.venv/bin/python benchmarks/public_tables/run.py --cache "$(CACHE)" $(ARGS)

bench-peers: ## the packages we are compared with, in environments of their own; make bench-peers PEERS=FOLDER
	$(SETUP)
	test -x "$(UV)" || .venv/bin/python -m pip install uv
	for name in torch tensorflow statsforecast; do \
		"$(UV)" venv --quiet --allow-existing --python .venv/bin/python "$(PEERS)/$$name" && \
		"$(UV)" pip install --quiet --python "$(PEERS)/$$name/bin/python" --requirement "benchmarks/peers/$$name.txt" \
		|| exit 1; \
	done

format: ## put the code into the agreed form
	$(SETUP)
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

docs: ## write the generated parts of docs/: the table of settings, what is said about damaged tables
	$(SETUP)
	.venv/bin/python scripts/write_documents.py

site: ## build the site in build/site: the pages of docs/ and an API reference
	$(SETUP) docs
	.venv/bin/sphinx-build -W --keep-going -q -c docs -d build/doctrees . build/site
	@echo "open build/site/index.html"

examples: ## run the notebooks and the essay again and store their outputs; make examples ARGS=examples/NAME.ipynb
	$(SETUP)
	.venv/bin/python scripts/write_examples.py $(ARGS)

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
