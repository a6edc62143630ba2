# syntax=docker/dockerfile:1
FROM python:3.13-slim AS build
WORKDIR /src
COPY requirements.lock pyproject.toml README.md LICENSE ./
RUN python -m venv /opt/inbox && /opt/inbox/bin/pip install --no-cache-dir --requirement requirements.lock
COPY gateway ./gateway
RUN /opt/inbox/bin/pip install --no-cache-dir --no-deps .

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
  CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f\"http://127.0.0.1:{os.environ.get('INBOX_PORT', 8000)}/healthz\", timeout=2)"]
CMD ["inbox-gateway", "serve"]
