# syntax=docker/dockerfile:1
FROM python:3.13-slim AS build
WORKDIR /src
COPY requirements.lock requirements-build.lock pyproject.toml README.md LICENSE ./
RUN python -m venv /opt/build && python -m venv /opt/inbox \
  && /opt/build/bin/pip install --no-cache-dir --require-hashes --requirement requirements-build.lock \
  && /opt/inbox/bin/pip install --no-cache-dir --require-hashes --requirement requirements.lock
COPY gateway ./gateway
RUN /opt/build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /opt/build/wheels . \
  && /opt/inbox/bin/pip install --no-cache-dir --no-deps --no-index /opt/build/wheels/*.whl

FROM python:3.13-slim
RUN useradd --system --uid 10001 --create-home inbox && install -d -o inbox -m 700 /data
COPY --from=build /opt/inbox /opt/inbox
ENV PATH=/opt/inbox/bin:$PATH PYTHONUNBUFFERED=1 INBOX_HOST=0.0.0.0 INBOX_DATA_DIR=/data
USER inbox
VOLUME /data
EXPOSE 8000
# Says goodbye to every open inbox within INBOX_DRAIN_SECONDS: give `docker stop` a little more.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
  CMD ["inbox-gateway", "healthcheck"]
CMD ["inbox-gateway", "serve"]
