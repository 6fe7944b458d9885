#!/bin/sh
# pfast in two minutes: installs what is missing, builds pfast into a virtual environment, and runs the suite in
# quickstart/ with plain pytest and with pfast: cold, warm, and after an edit.
#
#   sh examples/quickstart.sh
set -u
ROOT=$(cd "$(dirname "$0")/.." && pwd) || exit 1
cd "$ROOT" || exit 1
. test/support/bootstrap.sh

venv=$ROOT/build/quickstart-venv
suite=$ROOT/build/quickstart-suite

install_build_packages
choose_python
mkdir -p build
make_venv "$venv" 'pytest>=8.0,<9.3'
say "building pfast and installing it into $venv (a few minutes the first time)"
"$venv/bin/python" -m pip install -q "$ROOT" -C build-dir="$ROOT/build/quickstart-build" || die "pip install failed"
"$venv/bin/pfast" --version || die "pfast does not start"

# A copy: it is going to be edited.
rm -rf "$suite"
cp -R examples/quickstart "$suite"
exec "$venv/bin/python" examples/quickstart_times.py "$suite"
