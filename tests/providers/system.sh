#!/bin/sh
# Install the programs that tests/providers use. Without apt-get or root, say what is skipped.
set -eu
missing=""
command -v firefox-esr >/dev/null || command -v firefox >/dev/null || missing="firefox-esr"
command -v npm >/dev/null || missing="$missing npm"
[ -x /usr/sbin/postfix ] || missing="$missing postfix"
[ -n "$missing" ] || exit 0
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  apt-get update -qq
  # shellcheck disable=SC2086 # a list of packages
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null ||
    echo "cannot be installed, so their tests are skipped: $missing" >&2
else
  echo "not installed, so their tests are skipped: $missing" >&2
fi
