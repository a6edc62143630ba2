# syntax=docker/dockerfile:1

# Both stages use this image. A tag moves; a release builds with the digest that it resolved to on that day:
#   --build-arg PYTHON_IMAGE=python:3.13-slim@sha256:<64 digits>
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
# Of pyproject.toml, separated by spaces; empty installs none. Each has a lock file of its own.
ARG EXTRAS="templates sso otel"
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_PROGRESS_BAR=off PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements*.lock ./
# Every file is checked against its hash, setuptools too: without isolation, pip downloads nothing else to build with.
RUN python3 -m venv /opt/inbox \
  && /opt/inbox/bin/pip install --require-hashes --requirement requirements-build.lock \
  && /opt/inbox/bin/pip install --no-compile --no-build-isolation --require-hashes --requirement requirements.lock \
  $(for extra in $EXTRAS; do echo "--requirement requirements-$extra.lock"; done)
COPY pyproject.toml README.md LICENSE ./
COPY gateway ./gateway
# The image has neither pip nor setuptools. Its files are compiled here, because its file system may be read-only.
RUN /opt/inbox/bin/pip install --no-compile --no-deps --no-index --no-build-isolation . \
  && /opt/inbox/bin/pip uninstall --yes setuptools pip \
  && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/inbox/lib

FROM ${PYTHON_IMAGE}
RUN useradd --system --uid 10001 --user-group --no-create-home --home-dir /data inbox \
  && install -d -o inbox -g inbox -m 700 /data
COPY --from=build /opt/inbox /opt/inbox
# They change with each build, hence below what takes time: `make image` sets them. The metric inbox_build_info has the commit.
ARG VERSION=unknown REVISION=unknown SOURCE=unknown CREATED=unknown
RUN echo "$REVISION" > "$(/opt/inbox/bin/python3 -Ic 'import gateway; print(*gateway.__path__)')/REVISION"
ENV PATH=/opt/inbox/bin:$PATH PYTHONUNBUFFERED=1 INBOX_HOST=0.0.0.0 INBOX_DATA_DIR=/data
WORKDIR /data
USER 10001:10001
VOLUME /data
EXPOSE 8000
# Open inboxes are closed within INBOX_DRAIN_SECONDS: give `docker stop` a little more.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s CMD ["inbox-gateway", "healthcheck"]
CMD ["inbox-gateway", "serve"]
LABEL org.opencontainers.image.title="inbox-gateway" \
  org.opencontainers.image.description="A self-hosted, real-time notification inbox" \
  org.opencontainers.image.licenses="Apache-2.0" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.revision="${REVISION}" \
  org.opencontainers.image.source="${SOURCE}" \
  org.opencontainers.image.created="${CREATED}"
