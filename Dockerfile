# Two stages: the first builds a wheel and an environment from the hash-pinned lock, the second only runs it.
# Pin the base by digest for a release: --build-arg BASE=python:3.11-slim-bookworm@sha256:…
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /build
COPY requirements/container.txt requirements/container.txt
RUN python -m venv /opt/validator \
    && /opt/validator/bin/pip install --require-hashes -r requirements/container.txt
COPY pyproject.toml README.md LICENSE openapi.yaml ./
COPY data data
COPY validator validator
RUN /opt/validator/bin/pip install --no-deps --no-build-isolation . \
    && /opt/validator/bin/python -m compileall -q /opt/validator

FROM ${BASE}
LABEL org.opencontainers.image.title="Validator" \
      org.opencontainers.image.description="Self-hosted email check service" \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /opt/validator /opt/validator
RUN install -d -o 10001 -g 10001 /var/lib/validator
ENV PATH=/opt/validator/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    VALIDATOR_HOST=0.0.0.0 \
    VALIDATOR_PORT=8080
USER 10001:10001
# The store is validator.db here unless VALIDATOR_DATABASE_URL or a secret says otherwise. Set nothing by ENV that may
# come as a secret file: the environment is stronger.
WORKDIR /var/lib/validator
VOLUME /var/lib/validator
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 CMD ["validator", "ping"]
# With VALIDATOR_HOST=0.0.0.0 the service refuses to start without a key: set VALIDATOR_KEYS.
ENTRYPOINT ["validator"]
CMD ["serve"]
