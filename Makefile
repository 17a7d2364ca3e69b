# `make demo` and `make test` do everything; each creates .venv where it is missing.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test test-fast coverage fuzz chaos lint docs hooks zoo zoo-check zoo-train app app-test lock clean help

# Parallel tests: PyTorch and OpenCV use one thread each, since the processes fill the cores already.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --dist worksteal

# Each line is a command to copy.
demo: $(READY)
	$(BIN)/ecbsr-export --tflite --fp32 --int8 --size 270p,540p --out demo --overwrite
	$(BIN)/ecbsr-audit demo/ecbsr-m4c16-x2-int8-cpu-480x270.tflite
	$(BIN)/ecbsr-bench demo/ecbsr-m4c16-x2-fp32-480x270.tflite demo/ecbsr-m4c16-x2-int8-cpu-480x270.tflite --device host --size 270p,540p
	$(BIN)/ecbsr-upscale ecbsr_mobile/zoo/pictures/chelsea.png -o demo/chelsea-x2.png --model demo/ecbsr-m4c16-x2-int8-cpu-480x270.tflite --overwrite
	$(BIN)/python benchmarks/comparison.py demo/comparison.png --model demo/ecbsr-m4c16-x2-int8-cpu-480x270.tflite

test: $(READY)
	@$(PYTEST) $(ARGS)

# Without conversions, training, whole benchmarks and processes with PyTorch.
test-fast: $(READY)
	@$(PYTEST) -m "not slow" $(ARGS)

# Every test, and the share of the code's lines that they reach; below the floor in pyproject.toml it fails.
coverage: $(READY)
	@$(PYTEST) --cov $(ARGS)

# Damaged files, results, logs and phone readings, for SECONDS; what is found is kept in build/fuzz.
SEED ?= 0
SECONDS ?= 600
fuzz: $(READY)
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz --seed $(SEED) --seconds $(SECONDS) --keep build/fuzz

# Kills, full disks, closed streams and other mishaps at random moments, for SECONDS.
chaos: $(READY)
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.chaos --seed $(SEED) --seconds $(SECONDS)

lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

# The pages of docs/ as a site in build/site.
docs: $(READY)
	@$(BIN)/mkdocs build --strict --quiet

# Runs the checks of `make lint` before each commit.
hooks: $(READY)
	@$(BIN)/pre-commit install

# The bundled .tflite files, from the bundled weights.
zoo: $(READY)
	@$(BIN)/python benchmarks/build_zoo.py $(MODELS)

# Measures the bundled models anew, on Set5 and Set14 in DATA, and on BSD100 and Urban100 where DATA has them;
# WRITE=--write brings the stated figures up to date. MODELS="NAME ...": only these.
zoo-check: DATA ?= ../shared/data/benchmark
zoo-check: $(READY)
	@$(BIN)/python benchmarks/zoo_check.py --data $(DATA)/Set5 $(DATA)/Set14 $(wildcard $(DATA)/BSD100 $(DATA)/Urban100) \
	  $(if $(MODELS),--models $(MODELS)) $(WRITE)

# Trains MODEL anew, as it was trained, on the images in DATA; OPTIONS are more options of ecbsr-train.
zoo-train: DATA ?= ../shared/data/train
zoo-train: OUT ?= build/zoo-train
zoo-train: $(READY)
	@$(BIN)/python benchmarks/zoo_train.py $(MODEL) --data $(DATA) --out $(OUT) --options="$(OPTIONS)" $(ARGS)

# The Android demo app without Gradle: build/ecbsr-demo.apk, and its tests on this machine.
app:
	@android_bench/app/build-apk.sh

app-test: $(READY)
	@PYTHON=$(BIN)/python android_bench/app/run-tests.sh

$(READY): requirements.lock setup.cfg pyproject.toml tools/install_torch.py
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v <= (3, 13) or sys.exit(f"make: $(PYTHON) is Python {v[0]}.{v[1]}; 3.11, 3.12 or 3.13 is needed: make PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing the packages of requirements.lock into .venv: some GB and a few minutes the first time" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
	@$(BIN)/python tools/install_torch.py
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $(READY)

# The one list of exact versions and their hashes, for every Python and system. What torch depends on for CUDA is left
# out, so that a CPU build of torch (tools/install_torch.py) does not bring CUDA into .venv; with PyPI's build it comes
# without a hash here.
CUDA := cuda-bindings cuda-pathfinder cuda-toolkit nvidia-cublas nvidia-cuda-cccl nvidia-cuda-cupti nvidia-cuda-nvrtc \
  nvidia-cuda-runtime nvidia-cudnn-cu13 nvidia-cufft nvidia-cufile nvidia-curand nvidia-cusolver nvidia-cusparse \
  nvidia-cusparselt-cu13 nvidia-nccl-cu13 nvidia-nvjitlink nvidia-nvshmem-cu13 nvidia-nvtx triton
lock: $(READY)
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dev setup.cfg --output-file requirements.lock \
	  $(addprefix --no-emit-package ,ecbsr-mobile $(CUDA)) --generate-hashes --no-annotate --no-header $(UPGRADE)

help:
	@sed -n 's/^    make/make/p' CONTRIBUTING.md

clean:
	rm -rf .venv demo build dist *.egg-info
