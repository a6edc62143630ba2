#!/bin/sh
# Install the programs that tests/packages/test_image.py uses. Without apt-get or root, say what is skipped.
set -eu
missing=""
command -v podman >/dev/null || missing="podman"
command -v runc >/dev/null || missing="$missing runc"
command -v mmdebstrap >/dev/null || missing="$missing mmdebstrap"
[ -n "$missing" ] || exit 0
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  apt-get update -qq
  # shellcheck disable=SC2086 # a list of packages
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -y -qq --no-install-recommends \
    $missing >/dev/null || echo "cannot be installed, so its tests are skipped: $missing" >&2
else
  echo "not installed, so their tests are skipped: $missing" >&2
fi
