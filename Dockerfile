# The commands in a container, for CPUs:
#
#   docker build -t ecbsr .
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/work" ecbsr upscale photo.jpg
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/work" ecbsr export weights.pth --int8 --out out
#
# --build-arg EXTRA= leaves out PyTorch and TensorFlow: audit, bench, eval, models and upscale remain.
FROM python:3.12-slim

ARG EXTRA=export
ENV HOME=/tmp PYTHONDONTWRITEBYTECODE=1

RUN pip install --no-cache-dir uv==0.13.9
COPY requirements.lock setup.cfg setup.py pyproject.toml README.md LICENSE /src/
COPY ecbsr_mobile /src/ecbsr_mobile
COPY export /src/export
COPY android_bench /src/android_bench
# The versions of the lock; PyTorch from its own index, without CUDA, which has other hashes than the lock.
RUN uv pip install --system --no-cache --compile-bytecode --torch-backend cpu --no-verify-hashes \
      --constraint /src/requirements.lock "/src${EXTRA:+[$EXTRA]}" \
    && rm -r /src

WORKDIR /work
ENTRYPOINT ["ecbsr"]
CMD ["--help"]
