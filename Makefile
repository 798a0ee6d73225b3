# Two commands do everything: `make reproduce` and `make test`. The environment is made in .venv on first use.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.10 python3; do $$p -c 'import sys, venv; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p && break; done)
OUT    ?= runs/phantom
BIN     = .venv/bin
READY   = .venv/ready
FULL    = .venv/full
PIP     = $(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt

.PHONY: reproduce test lab docs readme clean
reproduce: $(READY)                ## the main job on the embedded default: tables, figures and report
	$(BIN)/autorad-lung reproduce --source phantom --preset mini --out $(OUT)
	@$(BIN)/autorad-lung verify $(OUT) || true   # other numbers are told, and are no failure of the run

test: $(FULL)                      ## every test: each notebook by nbdev_test, then the whole-program tests
	$(BIN)/python -m pytest tests -n 2 -q -rs --durations=10

lab: $(FULL)                       ## JupyterLab on the notebooks
	$(BIN)/jupyter lab nbs

docs: $(FULL)                      ## the site in _docs, by Quarto; without it, the same pages through pandoc
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python tools/docs.py

readme: $(FULL)                    ## README.md from nbs/index.ipynb
	$(BIN)/python tools/readme.py

$(READY): constraints.txt settings.ini setup.py tools/reference.py
	@test -n "$(PYTHON)" || { echo "Python 3.10, 3.11, 3.12 or 3.13 is needed. Install one, or name it: make PYTHON=/path/to/python3.11 ..."; exit 1; }
	$(PYTHON) -m venv .venv
	$(PIP) pip wheel setuptools numpy
	$(PIP) --no-build-isolation -e '.[towers]'
	@$(BIN)/python tools/reference.py || true   # PyRadiomics, the reference: where it does not build, one line says so
	@$(BIN)/python -m compileall -q -j 0 .venv/lib > /dev/null 2>&1 || true   # on all cores, where pip takes one; a few templates in there are no Python, and it says so
	touch $(READY)

$(FULL): $(READY)                  # what tests, pages and all sources need besides
	$(PIP) --no-build-isolation -e '.[towers,dev,lidc,cluster,dicom,mcp,excel]'
	@$(BIN)/python -m compileall -q -j 0 .venv/lib > /dev/null 2>&1 || true
	touch $(FULL)

clean:                             ## the environment and what it built; results in runs/ stay
	rm -rf .venv _proc _docs build *.egg-info
