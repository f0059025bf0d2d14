# Two stages: one that has tools, one that has only what runs. Builds with docker, podman and buildah alike.
ARG PYTHON_IMAGE=python:3.13-slim-bookworm

FROM ${PYTHON_IMAGE} AS builder
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1
WORKDIR /src
# Pins before code, so that a change of the code reuses these layers.
COPY requirements.lock requirements-build.lock ./
RUN python3 -m venv /opt/venv \
 && /opt/venv/bin/python -m pip install --require-hashes -r requirements.lock
RUN python3 -m venv /opt/build \
 && /opt/build/bin/python -m pip install --require-hashes -r requirements-build.lock
COPY pyproject.toml README.md LICENSE ./
COPY bot ./bot
COPY config ./config
COPY deploy/make-sbom ./deploy/make-sbom
ARG VERSION=unversioned
RUN python3 deploy/make-sbom requirements.lock "$VERSION" > /src/sbom.cdx.json
# The final root is read-only, so every module is compiled here or never.
RUN /opt/build/bin/python -m pip wheel --no-deps --no-build-isolation --wheel-dir /dist . \
 && /opt/venv/bin/python -m pip install --no-deps --no-index /dist/*.whl \
 && /opt/venv/bin/python -m compileall -q -j 0 /opt/venv/lib

FROM ${PYTHON_IMAGE}
ARG VERSION=unversioned
ARG REVISION=unknown
LABEL org.opencontainers.image.title="sectorbot" \
      org.opencontainers.image.description="Rotates spot and hedged perpetuals between two token sectors" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.documentation="README.md" \
      org.opencontainers.image.licenses="MIT"
RUN groupadd --gid 10001 sectorbot \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/sectorbot --shell /usr/sbin/nologin sectorbot \
 && install -d -o 10001 -g 10001 -m 0700 /var/lib/sectorbot
COPY --from=builder /opt/venv /opt/venv
# Every package in here with the hashes it was installed by, for scanners (CycloneDX).
COPY --from=builder /src/sbom.cdx.json /usr/share/sectorbot/sbom.cdx.json
# Settings come from SECTORBOT__SECTION__KEY variables over the packaged defaults, and secrets from files in
# /run/secrets: a variable is visible to everyone who may inspect the container, a file is not.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONSAFEPATH=1
USER 10001:10001
# The journal lives in the working directory: the one place that is written to, next to a /tmp in memory.
WORKDIR /var/lib/sectorbot
VOLUME /var/lib/sectorbot
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["sectorbot", "healthcheck"]
ENTRYPOINT ["sectorbot"]
CMD ["run"]
