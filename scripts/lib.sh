# Shared by the scripts beside it; sourced, never run. Needs bash, and finds everything else or says what is missing.
# What it sets: ROOT (the checkout), VENV and BIN. What it offers: say, fail, setup run|dev, setup_partners.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
VENV="$ROOT/.venv"
BIN="$VENV/bin"
export PIP_DISABLE_PIP_VERSION_CHECK=1

say() { printf '%s\n' "bonafides: $*" >&2; }
fail() { say "$@"; exit 3; }

is_supported_python() {
    # A version manager's shim may exist and still not run, so the candidate is asked, not looked at.
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    local candidate seen=""
    for candidate in ${BONAFIDES_PYTHON:-python3.12 python3.11 python3 python}; do
        command -v "$candidate" >/dev/null 2>&1 || continue
        if is_supported_python "$candidate"; then
            command -v "$candidate"
            return
        fi
        seen="$seen $candidate ($("$candidate" --version 2>&1 | head -n 1))"
    done
    [ -z "$seen" ] || fail "Python 3.11 or newer is needed; found only:$seen. Set BONAFIDES_PYTHON to a newer one."
    fail "Python 3.11 or newer is needed and none was found on PATH. Install it, or set BONAFIDES_PYTHON to its path."
}

digest() {
    # cksum is POSIX and enough here: it tells edits apart, it guards nothing. The checkout's path is part of it
    # because the environment's own scripts hold it.
    { printf '%s\n' "$ROOT"; cat "$ROOT/pyproject.toml" "$@"; } | cksum
}

make_environment() {
    if [ -x "$BIN/python" ] && is_supported_python "$BIN/python" && "$BIN/python" -m pip --version >/dev/null 2>&1; then
        return
    fi
    local python
    python=$(find_python) || exit $?
    say "making .venv with $("$python" --version 2>&1) ($python)"
    "$python" -m venv --clear "$VENV" >/dev/null 2>&1 && return
    # Some distributions ship Python without ensurepip; their pip can still fill an empty environment.
    "$python" -m venv --clear --without-pip "$VENV" || fail "$python cannot make an environment (module venv)"
    "$python" -m pip --python "$BIN/python" install -qq pip \
        || fail "$python has no pip: install pip (or the package python3-venv) and start again"
}

install() {
    "$BIN/python" -m pip install -qq "$@" || fail "the installation failed; pip's message stands above"
}

lock_of() {
    case $1 in
        run) printf '%s\n' "$ROOT/requirements.lock" ;;
        dev) printf '%s\n' "$ROOT/requirements-dev.lock" ;;
    esac
}

is_current() { [ -x "$BIN/python" ] && [ "$(cat "$VENV/.stamp-$1" 2>/dev/null)" = "$(digest "$(lock_of "$1")")" ]; }

setup_locked() {
    local kind=$1 lock
    is_current "$kind" && return 0 # another start did it while this one waited
    lock=$(lock_of "$kind")
    make_environment
    say "installing what $(basename "$lock") pins (once; a minute or two)"
    install --require-hashes -r "$lock"
    # The build back-end is pinned too, hence no build isolation; the checkout itself has no hash to ask for.
    install --no-deps --no-build-isolation --editable "$ROOT"
    [ "$kind" != dev ] || install_didkit
    digest "$lock" >"$VENV/.stamp-$kind"
}

install_didkit() {
    # Wheels exist for Python 3.11 and 3.12 on few platforms; nothing but foreign DID methods needs it.
    "$BIN/python" -m pip install --quiet --no-deps --only-binary :all: --require-hashes \
        -r "$ROOT/requirements-didkit.lock" >/dev/null 2>&1 || say "didkit has no wheel here: foreign DID methods are left out"
}

setup() {
    # The fast path takes no lock: a current stamp means a finished installation.
    is_current "$1" && return 0
    # Two first starts at once must not fill one environment together. The lock is held on a file that is always
    # there and only inside this subshell, so that no server inherits it.
    (
        ! command -v flock >/dev/null 2>&1 || flock 9
        setup_locked "$1"
    ) 9<"$ROOT/pyproject.toml" || exit $?
}

setup_programs() {
    # What the long tests run beside the registry. Only root on a system with apt is spared the installation.
    local missing=() name
    for name in strace pgbouncer; do
        PATH="$PATH:/usr/sbin" command -v "$name" >/dev/null 2>&1 || missing+=("$name")
    done
    [ "${#missing[@]}" -gt 0 ] || return 0
    { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; } || fail "--full needs ${missing[*]}: install that first"
    say "installing ${missing[*]} from the packages of this system (once)"
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"; } \
        </dev/null >/dev/null || fail "the installation failed; the message stands above"
}

setup_partners() {
    # Implementations of another make, for the long tests alone. Their own installer checks what the lock file pins.
    setup_programs
    local from="$ROOT/tests/partners/node" to="$VENV/partners/node" stamp
    stamp=$(digest "$from/package-lock.json")
    [ "$(cat "$to/.stamp" 2>/dev/null)" != "$stamp" ] || return 0
    command -v npm >/dev/null 2>&1 || fail "--full compares with packages for Node.js 20: install node and npm first"
    say "installing the partners that tests/partners/node pins (once)"
    mkdir -p "$to"
    cp "$from/package.json" "$from/package-lock.json" "$to/"
    (cd "$to" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null) \
        || fail "the partners could not be installed; npm's message stands above"
    printf '%s\n' "$stamp" >"$to/.stamp"
}
