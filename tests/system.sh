#!/bin/sh
# Install what tests need besides Python: Debian's Redis and browsers. Without apt-get or root, say what is skipped.
set -eu
missing=""
command -v redis-server >/dev/null || missing="redis-server"
command -v chromium >/dev/null || missing="$missing chromium"
command -v firefox-esr >/dev/null || command -v firefox >/dev/null || missing="$missing firefox-esr"
command -v WebKitWebDriver >/dev/null || missing="$missing webkit2gtk-driver"
for proxy in nginx haproxy caddy; do
  command -v $proxy >/dev/null || [ -x /usr/sbin/$proxy ] || missing="$missing $proxy"
done
command -v Xvfb >/dev/null || missing="$missing xvfb"
[ -n "$missing" ] || exit 0
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  apt-get update -qq
  # One by one, because other distributions lack some of them.
  for package in $missing; do
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null ||
      echo "cannot be installed, so its tests are skipped: $package" >&2
  done
else
  echo "not installed, so their tests are skipped: $missing" >&2
fi
