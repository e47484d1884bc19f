# The service. From the root of a checkout:
#
#   docker build -f docker/service.Dockerfile -t glosscast/service .
#   docker build -f docker/service.Dockerfile -t glosscast/service:mediapipe --build-arg EXTRACTOR=mediapipe .
#   docker build -f docker/service.Dockerfile -t glosscast/service:gpu --build-arg RUNTIME=gpu .
#
#   EXTRACTOR  what finds keypoints in pictures: litert (small, see docs/how-to/deployment.md) or mediapipe
#   RUNTIME    which ONNX Runtime, by the name of its extra in pyproject.toml: cpu, openvino or gpu. CUDA's libraries come
#              from pip with it, so the base image stays the same; the host brings the driver and NVIDIA's container toolkit.
#   PIP_ARGS   more flags for pip, as the address of a mirror
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ARG EXTRACTOR=litert
ARG RUNTIME=cpu
ARG PIP_ARGS=
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY constraints.txt .
RUN python -m venv /opt/glosscast \
 && /opt/glosscast/bin/pip install $PIP_ARGS -c constraints.txt pip
ENV PATH=/opt/glosscast/bin:$PATH
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY glosscast glosscast
# A server opens no windows: OpenCV without them needs neither OpenGL nor X11 from the system.
RUN pip install $PIP_ARGS -c constraints.txt --build-constraint constraints.txt \
      ".[$EXTRACTOR,$RUNTIME]" --group service --group tracing --group outputs \
 && pip uninstall --yes opencv-contrib-python \
 && pip install $PIP_ARGS --no-deps "opencv-python-headless==$(sed -n 's/^opencv-contrib-python==//p' constraints.txt)"
WORKDIR /opt/models
RUN test "$EXTRACTOR" != litert || python -m glosscast.holistic /opt/models
WORKDIR /app
COPY LICENSE NOTICE ./
COPY service service
RUN python -m compileall -q service \
 && pip uninstall --yes sympy mpmath setuptools pip \
 # packages' own tests; LiteRT's build tools and its accelerator for graphics cards; what of OpenVINO is there twice or for
 # other devices, and SymPy (above), which ONNX Runtime's tools use
 && find /opt/glosscast -name tests -type d -prune -exec rm -r {} + \
 && cd /opt/glosscast/lib/python3.*/site-packages && rm -rf ai_edge_litert/tools ai_edge_litert/*WebGpu* \
 && cd onnxruntime/capi && rm -f libopenvino.so libopenvino_c.* libopenvino_onnx_frontend.so libopenvino*.so.20* \
      libopenvino_intel_[gn]pu_plugin.so

# The system without what installs or explains software (licences stay), and without programs that run as root for others.
FROM ${PYTHON_IMAGE} AS system
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin glosscast \
 && rm -rf /var/cache/* /var/lib/apt/* /usr/share/man /usr/share/locale /usr/share/python-wheels \
      /usr/bin/pip* /usr/local/bin/pip* \
      /usr/lib/python3*/ensurepip /usr/lib/python3/dist-packages/pip* /usr/lib/python3/dist-packages/setuptools* \
      /usr/local/lib/python3*/ensurepip /usr/local/lib/python3*/site-packages/* \
 && find /usr/share/doc -not -name copyright -not -type d -delete \
 && find / -xdev -perm /6000 -type f -exec chmod a-s {} +

# One layer of its own for the system, since a layer cannot lose what the ones below it hold.
FROM scratch
ARG EXTRACTOR=litert
LABEL org.opencontainers.image.title="Glosscast" org.opencontainers.image.licenses="Apache-2.0"
COPY --from=system / /
COPY --from=build /opt /opt
COPY --from=build /app /app
ENV PATH=/opt/glosscast/bin:/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    ORT_DISABLE_TELEMETRY=1 \
    GLOSSCAST_HOST=0.0.0.0 GLOSSCAST_PORT=8000 \
    GLOSSCAST_EXTRACTOR=$EXTRACTOR GLOSSCAST_MODELS=/opt/models
# A new volume is given the owner of the folder that it is mounted over.
RUN ["install", "-d", "-m", "700", "-o", "10001", "-g", "10001", "/var/lib/glosscast"]
WORKDIR /app
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=4s --start-period=30s --retries=3 CMD ["python", "-c", \
    "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"GLOSSCAST_PORT\"]}/readyz', timeout=3)"]
ENTRYPOINT ["python", "-m", "service"]
