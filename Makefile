# Two commands do everything on a fresh machine: `make demo` and `make test`.
VENV   := .venv
PYTHON := $(VENV)/bin/python
SHELL  := /bin/sh

.PHONY: help demo lab test lint kubernetes bench tasks rules clean packages-demo packages-test

help:            ## what can be made
	@grep -E '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*##/:/'

demo: packages-demo $(VENV)/.made    ## one release of the shop on real servers, then everything is stopped
	@$(PYTHON) -m lab demo

lab: packages-demo $(VENV)/.made    ## the same servers, kept running until Ctrl-C
	@$(PYTHON) -m lab run

kubernetes: $(VENV)/.made    ## build kube-apiserver once, into the user's cache (5 to 11 minutes)
	@$(PYTHON) -m lab.kubernetes_build

test: packages-test $(VENV)/.made lint kubernetes    ## lint, then unit, component, live and engine tests
	@$(PYTHON) -m pytest tests -q --durations=5

lint: $(VENV)/.made    ## ruff, mypy, import-linter, yamllint, and the Tasks carry what their sources say
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check -q .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports --verbose | tail -n 12
	@$(VENV)/bin/yamllint --strict .
	@$(PYTHON) tekton/embed.py --check

tasks: $(VENV)/.made    ## embed the guard and the step scripts into the Tasks
	@$(PYTHON) tekton/embed.py

rules: $(VENV)/.made    ## write docs/rules.md from the rules
	@$(PYTHON) -m runlease.report.rules_page > docs/rules.md

bench: packages-demo $(VENV)/.made    ## speed as ratios, side by side in one run
	@$(PYTHON) -m bench

packages-demo packages-test: packages-%:
	@sh lab/packages.sh $*

$(VENV)/.made: pyproject.toml
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Makefile: python3 is too old (got $$(python3 -V), expected 3.11 or newer). Fix: install it" >&2; exit 1; }
	@echo "making $(VENV) …"
	@python3 -m venv $(VENV)
	@$(PYTHON) -m pip install -q --disable-pip-version-check -e '.[dev]'
	@touch $@

clean:           ## remove the virtual environment and caches of this folder
	rm -rf $(VENV) policy/venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache dist
