#!/usr/bin/env bash
# Set-up, then all checks: format, lint, types, documentation site, tests. Arguments go to pytest: ./test.sh -k packing
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source scripts/setup.sh
setup offline,tensorboard,baselines,causal,ray,rl,web,docs,dev
setup_browser
export HF_HUB_OFFLINE=1  # no test may wait for a network
export OMP_NUM_THREADS=1 # tiny models gain nothing from threads, and on a busy machine threads wait for each other
ruff format --check .
ruff check .
mypy
NO_MKDOCS_2_WARNING=1 mkdocs build --strict --quiet # the site goes to runs/site
python -m pytest -n 3 --dist loadfile "$@"
