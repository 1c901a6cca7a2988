#!/usr/bin/env bash
# Install Debian packages whose program is missing: system-packages.sh [--optional] NAME...
# Without the means to do so it names what is missing and what will not work, and fails;
# with --optional it says the same and succeeds.
set -euo pipefail

optional=
if [ "${1-}" = --optional ]; then
  optional=yes
  shift
fi

is_present() {
  case $1 in
    python3.11-venv) python3.11 -c 'import ensurepip' 2>/dev/null ;;
    postgresql) command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null ;;
    *) command -v "$1" >/dev/null ;;
  esac
}

without_it() {
  case $1 in
    ffmpeg) echo "MUSDB18 .stem.mp4 files and the real excerpt (msdemucs data sample) cannot be read" ;;
    chromium) echo "the tests of the report cannot open it in a browser" ;;
    postgresql) echo "the tests of studies in PostgreSQL cannot start one" ;;
    python3.11-venv) echo "no virtual environment can be made" ;;
    *) echo "whatever calls $1 fails" ;;
  esac
}

# Prints the prefix that runs a command as root, or why there is none.
as_root() {
  if ! command -v apt-get >/dev/null; then
    echo "system-packages: there is no apt-get here" >&2
    return 1
  elif [ "$(id -u)" = 0 ]; then
    echo env
  elif sudo -n true 2>/dev/null; then
    echo "sudo -n env"
  else
    echo "system-packages: not root, and there is no sudo that asks for no password" >&2
    return 1
  fi
}

missing=()
for name in "$@"; do
  is_present "$name" || missing+=("$name")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if root=$(as_root); then
  echo "system-packages: installing ${missing[*]}"
  apt="$root DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::http::Timeout=20 -o Acquire::Retries=1"
  # shellcheck disable=SC2086  # the prefix is several words
  { $apt update && $apt install --yes --no-install-recommends "${missing[@]}" >/dev/null; } ||
    echo "system-packages: apt-get failed" >&2
fi

status=0
for name in "${missing[@]}"; do
  is_present "$name" && continue
  echo "system-packages: $name is missing: $(without_it "$name")." >&2
  echo "system-packages: to have it, run as root: apt-get install $name" >&2
  status=1
done
[ -n "$optional" ] || exit "$status"
