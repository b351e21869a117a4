#!/bin/sh
# Installs the Debian packages that the caller names, if any of them is missing. Meant to be sourced:
#
#   . tools/packages.sh
#   need_packages $packages_build
#
# As root it calls apt-get, as another user sudo apt-get; where neither works it says what to install and fails.

packages_build='build-essential cmake ninja-build pkg-config libuv1-dev libsodium-dev libmsgpack-dev libavahi-core-dev libavahi-client-dev libcmocka-dev'
packages_net='iproute2'
packages_test='iproute2 nftables procps spin'

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo > /dev/null; then
    sudo "$@"
  else
    return 1
  fi
}

install_quietly() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" > /dev/null 2>&1 < /dev/null
}

need_packages() {
  missing=
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2> /dev/null | grep -q 'ok installed' || missing="$missing $package"
  done
  [ -z "$missing" ] && return 0
  echo "+ apt-get install$missing"
  install_quietly $missing && return 0
  echo "+ apt-get update"
  as_root apt-get update -qq < /dev/null && install_quietly $missing && return 0
  echo "error: these Debian packages are missing and could not be installed:$missing" >&2
  echo "  install them as root: apt-get install$missing" >&2
  return 1
}
