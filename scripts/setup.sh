# Sourced by run.sh and test.sh: `setup EXTRA,EXTRA` makes or refreshes .venv and puts it first on PATH.
# Needs Python 3.11 or later with venv and pip; PYTHON names it where it is not `python3`.
# What pip says goes to .venv/setup.log; the terminal gets its last lines where it fails.

setup() {
    local python=${PYTHON:-python3} extras=$1 wanted
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
        echo "Python 3.11 or later is needed: install it, or say where it is (PYTHON=/path/to/python3.11 $0)" >&2
        return 1
    }
    [ -x .venv/bin/python ] || "$python" -m venv .venv
    wanted=$(cat pyproject.toml constraints.txt | cksum)
    # Installed already with these files, and with these extras or more?
    if [ "$(head -n 1 .venv/installed 2>/dev/null)" != "$wanted" ]; then
        echo "$wanted" >.venv/installed.new
    else
        cp .venv/installed .venv/installed.new
    fi
    if ! grep -qx "extras $extras" .venv/installed.new; then
        echo "Setting up .venv (extras: $extras); the first time takes a few minutes (log: .venv/setup.log)"
        .venv/bin/python -m pip install --disable-pip-version-check --no-input --progress-bar off \
            -c constraints.txt -e ".[$extras]" >.venv/setup.log 2>&1 || {
            echo "Set-up failed. The last lines of $PWD/.venv/setup.log:"
            tail -n 15 .venv/setup.log
            return 1
        } >&2
        echo "extras $extras" >>.venv/installed.new
        mv .venv/installed.new .venv/installed
    fi
    PATH=$PWD/.venv/bin:$PATH
}

# Debian's Chromium for the tests of the page, where none is there and root may install it; without it they are skipped.
setup_browser() {
    local name
    for name in chromium chromium-browser google-chrome; do
        ! command -v "$name" >/dev/null || return 0
    done
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "Installing Chromium for the tests of the page (log: .venv/browser.log)"
        export DEBIAN_FRONTEND=noninteractive
        { timeout 300 apt-get update && timeout 600 apt-get install -y --no-install-recommends chromium; } \
            >.venv/browser.log 2>&1 || echo "Chromium could not be installed: the tests of the page are skipped"
    fi
}
