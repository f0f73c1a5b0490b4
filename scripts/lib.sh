# Set-up shared by the scripts beside this file, which source it: finds a Python, keeps .venv as the lock files say.
# Needs bash 3.2 or newer, Python 3.11 or newer, and the network only when something has to be installed.

set -euo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
VENV="$ROOT/.venv"
# Stands there while packages are being installed: whoever finds it knows that the last time was cut short.
UNFINISHED="$VENV/.unfinished"

# Somebody's own settings must not find their way into tests and demonstrations.
unset PYTHONHOME PYTHONPATH
for name in $(compgen -e DIGEST_ || true); do
    case "$name" in DIGEST_TEST_* | DIGEST_PYTHON) ;; *) unset "$name" ;; esac
done
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore

say() { printf '%s\n' "· $*" >&2; }

die() {
    printf '%s\n' "$0: $*" >&2
    exit 1
}

# Says nothing while all is well, everything when it is not.
quietly() {
    local log status=0
    log="$(mktemp)"
    "$@" >"$log" 2>&1 || status=$?
    [ "$status" -eq 0 ] || cat "$log" >&2
    rm -f "$log"
    return "$status"
}

# The range pyproject.toml names.
is_supported() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))' 2>/dev/null
}

find_python() {
    local candidate found="" without_venv=""
    for candidate in ${DIGEST_PYTHON:-} python3.13 python3.12 python3.11 python3.14 python3 python; do
        command -v "$candidate" >/dev/null 2>&1 || continue
        if ! is_supported "$candidate"; then
            found="$found${found:+, }$("$candidate" --version 2>&1 | tail -n 1) as $candidate"
        elif ! "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
            without_venv="$candidate"
        else
            command -v "$candidate"
            return
        fi
    done
    [ -z "$without_venv" ] || die "$without_venv has no venv module; on Debian and Ubuntu: apt-get install python3-venv"
    die "Python 3.11 or newer is needed; found: ${found:-none}. If it lies elsewhere, set DIGEST_PYTHON to its path."
}

# What the environment was made from, the checkout's place included: scripts in .venv/bin carry it.
fingerprint() {
    "$VENV/bin/python" - "$ROOT" "$@" <<'PYTHON'
import hashlib, pathlib, sys
parts = [sys.argv[1], sys.version, *(pathlib.Path(path).read_text(encoding="utf-8") for path in sys.argv[2:])]
print(hashlib.sha256("\0".join(parts).encode()).hexdigest())
PYTHON
}

is_sound() {
    [ ! -e "$UNFINISHED" ] && is_supported "$VENV/bin/python" && "$VENV/bin/python" -m pip --version >/dev/null 2>&1
}

# set_up LOCK: .venv exists, holds what LOCK says, and `digest` in it runs from this checkout.
set_up() {
    local lock="$ROOT/$1" mark="$VENV/.$1.sha256" python
    if [ -e "$VENV" ] && ! is_sound; then
        say "The environment in .venv is broken or of another Python: making it anew"
        rm -rf "$VENV"
    fi
    if [ ! -e "$VENV" ]; then
        python="$(find_python)"
        say "Making .venv with $("$python" --version)"
        mkdir "$VENV" && touch "$UNFINISHED"
        quietly "$python" -m venv "$VENV" || die "$python could not make a virtual environment, see above"
    fi
    if [ "$(cat "$mark" 2>/dev/null)" = "$(fingerprint "$lock" "$ROOT/pyproject.toml")" ]; then
        return
    fi
    say "Installing what $1 lists (a minute the first time)"
    touch "$UNFINISHED"
    quietly "$VENV/bin/python" -m pip install --quiet -r "$lock" || die "installing failed, see above"
    quietly "$VENV/bin/python" -m pip install --quiet --no-deps -e "$ROOT" || die "installing digest failed, see above"
    fingerprint "$lock" "$ROOT/pyproject.toml" >"$mark"
    rm -f "$UNFINISHED"
}
