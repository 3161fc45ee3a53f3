# Everything sets up what it needs: `make demo` and `make test` are all a newcomer has to know.

BIN := .venv/bin
# Many tests wait for a handful of processes of their own: one worker more than there are cores,
# four at most.
PYTEST := env -u PYTHONDONTWRITEBYTECODE QT_QPA_PLATFORM=offscreen $(BIN)/pytest \
	--numprocesses $$(( $$(getconf _NPROCESSORS_ONLN) + 1 )) --maxprocesses 4 --dist worksteal

.PHONY: help demo train-quick test test-all check format bench fresh clean

help:
	@echo "make demo      watch real recordings stream through the network that names each digit"
	@echo "make train-quick  train a small network on real recordings, a few minutes"
	@echo "make test      run the tests"
	@echo "make test-all  run the slow ones too"
	@echo "make check     lint, format and types"
	@echo "make bench     measure every figure the README quotes (peers included)"
	@echo "make clean     remove the virtual environment and everything built"

demo: .venv/.ready fresh
	$(BIN)/retina demo

train-quick: .venv/.ready fresh
	$(BIN)/retina train classifier --recipe quick --out runs/quick.safetensors
	$(BIN)/retina evaluate runs/quick.safetensors samples --split Test

test: .venv/.ready-dev fresh
	$(PYTEST) -m "not slow"

test-all: .venv/.ready-dev fresh
	$(PYTEST)

check: .venv/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/.ready-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/.ready-bench fresh
	$(BIN)/retina bench

.venv/.ready: pyproject.toml setup.sh
	sh setup.sh run
	touch $@

.venv/.ready-dev: .venv/.ready
	sh setup.sh dev
	touch $@

.venv/.ready-bench: .venv/.ready
	sh setup.sh bench
	touch $@

# numba keeps what it compiled, and does not notice that a kernel which another one calls has changed.
ROOMS := benchmarks models nodes pipeline recordings
fresh:
	@test -e .venv/.kernels && ! find $(ROOMS) -name '*.py' -newer .venv/.kernels \
		-exec grep -qE 'numba|kernels' {} \; -print | grep -q . \
		|| find $(ROOMS) -name '*.nbi' -delete
	@touch .venv/.kernels

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
