#!/bin/sh
# Install Prometheus and promtool, Debian's package prometheus (50 MB). Without apt-get or root, say what is skipped.
set -eu
if command -v prometheus >/dev/null && command -v promtool >/dev/null; then exit 0; fi
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends prometheus >/dev/null ||
    echo "cannot be installed, so its tests are skipped: prometheus" >&2
else
  echo "not installed, so its tests are skipped: prometheus" >&2
fi
