# shellcheck shell=bash
# What the scripts share: messages, the toolchain, the packages of the system. Sourced, never run.

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly ROOT

# Progress goes to the standard error stream: the standard output belongs to the programs.
say() { printf '==> %s\n' "$*" >&2; }

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# The Swift toolchain is not ours to install; the packages below are.
need_swift() {
    command -v swift >/dev/null || die "Swift is not installed. Version 6.2 or newer is needed: https://swift.org/install"
    local version
    version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\.[0-9]*\).*/\1/p' | head -n 1)
    [[ -n $version ]] || die "'swift --version' says nothing usable; is the toolchain complete?"
    local major=${version%%.*} minor=${version#*.}
    if ((major < 6 || (major == 6 && minor < 2))); then
        die "Swift $version is too old: version 6.2 or newer is needed (https://swift.org/install)"
    fi
}

# Installs a Debian or Ubuntu package if `test -e` fails for the file that it provides.
need_package() {
    local package=$1 file=$2
    [[ -e $file ]] && return
    command -v apt-get >/dev/null || die "$file is missing: install what your system calls $package"
    say "installing $package"
    local as_root=()
    if ((EUID != 0)); then
        command -v sudo >/dev/null || die "$package is missing: install it as root (apt-get install $package)"
        as_root=(sudo)
    fi
    # The lists may be old or absent; only a second failure counts.
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$package" >&2 || {
        "${as_root[@]}" apt-get update -qq >&2
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$package" >&2
    }
}

# All that building takes.
prepare() {
    need_swift
    need_package libssl-dev /usr/include/openssl/ssl.h
    need_package libyaml-dev /usr/include/yaml.h
    need_package libhttp-parser-dev /usr/include/http_parser.h
    need_package libsqlite3-dev /usr/include/sqlite3.h
    need_package util-linux /usr/bin/setpriv
    need_package openssl /usr/bin/openssl
    cd "$ROOT"
}
