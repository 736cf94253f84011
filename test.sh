#!/usr/bin/env bash
# Set-up, then all checks: format, lint, types, tests. Arguments go to pytest: ./test.sh -k packing
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source scripts/setup.sh
setup offline,tensorboard,baselines,causal,ray,dev
export HF_HUB_OFFLINE=1  # no test may wait for a network
export OMP_NUM_THREADS=1 # tiny models gain nothing from threads, and on a busy machine threads wait for each other
ruff format --check .
ruff check .
mypy
python -m pytest -n 2 --dist loadfile "$@"
