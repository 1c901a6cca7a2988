#!/usr/bin/env bash
# Make .venv with the tested set of packages; a second run notices that nothing changed and stops.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Prints the first command that runs Python 3.11 and can make environments (Debian's needs
# python3.11-venv for that); pyenv's own folder is searched too, as its shims may be off.
find_python() {
  local candidate
  for candidate in "${PYTHON:-python3.11}" python3.11 python3 ~/.pyenv/versions/3.11*/bin/python; do
    if "$candidate" -c 'import sys, ensurepip; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  return 1
}

# The environment is right when it was made at this place from these files.
wanted="$PWD $(cat pyproject.toml constraints.txt scripts/setup.sh | cksum)"
stamp=.venv/msdemucs-setup
if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && .venv/bin/python -c '' 2>/dev/null; then
  echo "setup: .venv is up to date"
  exit 0
fi
rm -f "$stamp"

# A half-made .venv, or one copied from another place with its commands still pointing there, is made anew.
if ! grep -qsF "$PWD/.venv" .venv/pyvenv.cfg || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
  if ! python=$(find_python) && ! { bash scripts/system-packages.sh python3.11-venv && python=$(find_python); }; then
    echo "setup: no Python 3.11 with its venv module found. Install one (Debian 12: apt-get install" >&2
    echo "setup: python3.11-venv; elsewhere: pyenv install 3.11) or name it: make setup PYTHON=/path/to/python" >&2
    exit 1
  fi
  echo "setup: making .venv with $("$python" --version)"
  "$python" -m venv --clear .venv
fi

quiet=--quiet
[ -t 1 ] && quiet= # progress bars for a person, a short log for a machine
pip_install() {
  PYTHONWARNINGS="ignore:Editable installation" .venv/bin/python -m pip install \
    $quiet --disable-pip-version-check --constraint constraints.txt "$@"
}
echo "setup: installing the packages of constraints.txt (the first time several GB, mostly torch's)"
pip_install --upgrade pip # --group needs pip 25.1
pip_install --editable . --group dev
pip_install --no-deps --group peers # what of theirs the tests need is in the group dev
echo "$wanted" >"$stamp"
echo "setup: .venv is ready"
