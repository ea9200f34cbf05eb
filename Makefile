# make demo   the main job on real data, from nothing installed to what to ship
# make trial  makes the small cascade anew that `calexnet try` runs
# make quick  the tests but the slow ones, for the loop of a developer
# make test   the whole test suite
# make bench  what calexnet itself costs, against plain and against the limit
# make certify-study  how often certificates are wrong, and how often they are given
# make choose-study  how well costs of pieces foretell those of cascades, what choosing saves, and how
#                    often its certificates are broken
# make cases  inputs that people had and that once failed, where their folder CASES is
# make fuzz   damaged data of every kind, N cases each; whatever is no answer and no message of ours
# make mutants  whether the tests notice small faults in the core: 150 of them, ALL=1 for every one
# make kill   KILLS at random moments: the earlier result or the new one is there, whole
# make disk   full disks, DISKS for each command that writes: one message, the earlier result untouched
# make soak   INFERENCES, threads, forks, interrupts, loads: memory and descriptors stay as they are
# make nightly  all four, and mutants (docs/reliability.md)
# make docs   the pages, the commands and Python's API as a site, build/site/docs/index.html; every link holds
# make lint   formatting, linting, types
# make tensorrt  what of TensorRT can be checked without a GPU; installs TensorRT-RTX (230 MB), so
#                that from then on `make test` runs its tests too
# make tflite-runtime  the tests of TFLite on the old runtime too, in an environment of its own
# make hardware-check  build, verify and measure a bundle on this machine, as one JSON to send in;
#                      with the calexnet of CALEXNET_PYTHON: BUNDLE=choices/digits/bundle DATA=digits.npz
# make cpp    builds and tests the library for C and C++ (docs/cpp.md); as root it installs what it needs
# make boards-test  --on user@board, against an sshd of its own on loopback; as root it installs one
# make release-check  builds both archives, tries each by itself, and runs the quick tests from the source one, or TESTS
# make wheels whether an app's and a board's install resolves to wheels for aarch64

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo trial quick test bench certify-study choose-study cases fuzz kill disk soak nightly mutants docs lint tensorrt tflite-runtime cpp hardware-check boards-test wheels release-check clean

demo: $(READY)
	rm -rf choices/digits choices/digits.pool
	$(BIN)/calexnet choose resnet8 --data digits --effort quick --max-drop 2 --out choices/digits

TRIAL := calexnet/trial
trial: $(READY)
	rm -rf $(TRIAL) runs/trial
	$(BIN)/calexnet train --data digits --backbone resnet8 --attach layer1 --head strided --rule price \
		--option temperature=1 --option label_share=0.5 --option soft_weights=false --out runs/trial
	$(BIN)/calexnet-export runs/trial --target onnxruntime --out $(TRIAL)/bundle
	$(BIN)/calexnet data digits --part test --out $(TRIAL)/digits.npz

quick: $(READY)
	$(BIN)/pytest -n auto -m "not slow"

test: $(READY)
	$(BIN)/pytest -n auto

bench: $(READY)
	$(BIN)/python -m benchmarks $(if $(wildcard choices/digits/bundle/manifest.json),--digits choices/digits/bundle)

certify-study: $(READY)
	$(BIN)/python -m benchmarks.certify_study

choose-study: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.cost_study
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.choose_study resnet8 --data digits --max-drop 2 \
		--pool runs/choose-study

CASES ?= ../shared/cases
cases: $(READY)
	$(BIN)/python .ci/cases $(CASES)

N ?= 10000
fuzz: $(READY)
	$(BIN)/python -m campaigns.fuzz -n $(N)

mutants: $(READY)
	OMP_NUM_THREADS=1 nice $(BIN)/python -m campaigns.mutants $(if $(ALL),--all)

KILLS ?= 200
kill: $(READY)
	$(BIN)/python -m campaigns.kill -n $(KILLS)

DISKS ?= 20
disk: $(READY)
	$(BIN)/python -m campaigns.disk -n $(DISKS) $(if $(QUICK),--quick)

INFERENCES ?= 1000000
soak: $(READY)
	$(BIN)/python -m campaigns.soak -n $(INFERENCES)

nightly: fuzz kill disk soak mutants

docs: $(READY)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[docs]"
	$(BIN)/sphinx-build -W --keep-going -q -E -c docs -b html . build/site
	@echo "The site: build/site/docs/index.html"

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

tensorrt: $(READY)
	.ci/tensorrt $(BIN)/python

tflite-runtime: $(READY)
	.ci/tflite-runtime $(BIN)/python

cpp: $(READY)
	.ci/cpp $(BIN)/python

boards-test: $(READY)
	.ci/boards $(BIN)/python

# No $(READY): a board has a calexnet of its own, without torch.
BUNDLE ?= choices/digits/bundle
DATA ?= digits.npz
CALEXNET_PYTHON ?= $(if $(wildcard $(READY)),$(BIN)/python,$(PYTHON))
hardware-check:
	$(CALEXNET_PYTHON) -Im calexnet.cli.hardware_check $(BUNDLE) --data $(DATA) \
		--out reports/hardware-check.json

wheels: $(READY)
	.ci/wheels $(BIN)/python

TESTS ?=
release-check: $(READY)
	.ci/release-check $(BIN)/python $(TESTS)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
		|| { echo "calexnet needs Python 3.10 or newer; try: make PYTHON=python3.11 ..."; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[all,dev]"
	touch $@

clean:
	rm -rf $(VENV) runs bundles reports choices build *.egg-info
