# Set-up that test/run.sh and the examples share. Sourced by a POSIX shell with $ROOT set; defines functions only.

# Bytecode files are a part of how fast Python starts; output is not to be waited for byte by byte.
unset PYTHONDONTWRITEBYTECODE PYTHONUNBUFFERED PYTHONPATH PYTHONHOME PYTEST_ADDOPTS PYTEST_PLUGINS VIRTUAL_ENV

say() { printf '\n== %s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null 2>&1; then
    sudo "$@"
  else
    die "not root and no sudo. Install these packages yourself, then run this again: $missing"
  fi
}

# A package that is not installed, one a line. Without dpkg nothing can be told, and the build says what it lacks.
missing_of() {
  command -v dpkg-query >/dev/null 2>&1 || return 0
  for package in "$@"; do
    status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) || status=none
    case $status in *" installed") ;; *) echo "$package" ;; esac
  done
}

install_packages() {
  missing=$(missing_of "$@" | tr '\n' ' ')
  [ -n "$missing" ] || return 0
  say "installing $missing"
  command -v apt-get >/dev/null 2>&1 || die "no apt-get here. Install what these Debian packages hold: $missing"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q || die "apt-get update failed"
  # shellcheck disable=SC2086
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing ||
    die "apt-get could not install $missing"
}

install_build_packages() {
  install_packages ca-certificates g++ pkg-config libuv1-dev libcli11-dev libtomlplusplus-dev nlohmann-json3-dev \
    libxxhash-dev doctest-dev pybind11-dev
}

# Whether an interpreter can be embedded and gives virtual environments.
is_usable() {
  "$1" -c '
import os, sys, sysconfig
import ensurepip, venv
shared = sysconfig.get_config_var("Py_ENABLE_SHARED")
headers = os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h"))
sys.exit(0 if sys.version_info >= (3, 11) and shared and headers else 1)' 2>/dev/null
}

# Sets $python: ${PFAST_TEST_PYTHON:-python3} when it will do, else Debian's own.
choose_python() {
  python=$(command -v "${PFAST_TEST_PYTHON:-python3}") || python=
  [ -n "$python" ] && is_usable "$python" && return 0
  [ -n "$python" ] && [ "$python" != /usr/bin/python3 ] &&
    echo "note: $python is older than 3.11, or lacks a shared libpython, headers or venv: using /usr/bin/python3"
  install_packages python3 python3-dev python3-venv
  python=/usr/bin/python3
  is_usable "$python" || die "$python will not do: pfast needs CPython 3.11 or newer with a shared libpython and venv"
}

# make_venv FOLDER PACKAGE...: a virtual environment with exactly these, made once.
make_venv() {
  folder=$1
  shift
  wanted="$python $*"
  if [ "$(cat "$folder/.made-for" 2>/dev/null)" != "$wanted" ]; then
    say "virtual environment $folder: $*"
    rm -rf "$folder"
    "$python" -m venv "$folder" || die "cannot make a virtual environment with $python"
    "$folder/bin/python" -m pip install -q "$@" || die "pip could not install: $*"
    printf '%s' "$wanted" >"$folder/.made-for"
  fi
}
