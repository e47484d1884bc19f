# Training, export and the preparation of data sets. From the root of a checkout:
#
#   docker build -f docker/training.Dockerfile -t glosscast/training .
#   docker run --rm --gpus all --shm-size 2g -v DATA:/data:ro -v RUNS:/runs glosscast/training \
#       training train --config training/configs/asl_demo.toml --data /data --out /runs/asl
#   docker run --rm -v RUNS:/runs glosscast/training export onnx --checkpoint /runs/asl/checkpoint.pt --out /runs/bundle
#
# RUNS must be writable for user 10001, or give --user. PyTorch from PyPI brings CUDA's libraries, so a GPU needs the host's
# driver and NVIDIA's container toolkit and nothing else. For CPUs alone a much smaller image:
#   --build-arg PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu"
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ARG PIP_ARGS=
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY constraints.txt .
RUN python -m venv /opt/glosscast \
 && /opt/glosscast/bin/pip install $PIP_ARGS -c constraints.txt pip
ENV PATH=/opt/glosscast/bin:$PATH
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY glosscast glosscast
# OpenCV without windows, as in service.Dockerfile.
RUN pip install $PIP_ARGS -c constraints.txt --build-constraint constraints.txt \
      ".[litert,mediapipe,cpu]" --group training --group report --group export --group datasets \
 && pip uninstall --yes opencv-contrib-python \
 && pip install $PIP_ARGS --no-deps "opencv-python-headless==$(sed -n 's/^opencv-contrib-python==//p' constraints.txt)" \
 && python -m glosscast.holistic /opt/models \
 && pip uninstall --yes pip

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="Glosscast training" org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --system --uid 10001 --create-home --shell /usr/sbin/nologin glosscast
COPY --from=build /opt /opt
WORKDIR /app
COPY LICENSE NOTICE pyproject.toml ./
COPY training training
COPY export export
ENV PATH=/opt/glosscast/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 GLOSSCAST_MODELS=/opt/models
USER 10001:10001
# training … or export …
ENTRYPOINT ["python", "-m"]
CMD ["training", "--help"]
