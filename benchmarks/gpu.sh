#!/usr/bin/env bash
# All that a GPU has to show, in at most 7 minutes; `--small` for a CPU. See benchmarks/gpu.py.
# It needs Python with torch and transformers; results go to $OUT, else to benchmarks/.
set -euo pipefail
cd "$(dirname "$0")/.."
export PYTHONPATH="$PWD/src:$PWD/benchmarks:$PWD/tests/unit${PYTHONPATH:+:$PYTHONPATH}"
export PYTHONUNBUFFERED=1
exec timeout 420 "${PYTHON:-python3}" benchmarks/gpu.py --out "${OUT:-benchmarks}/gpu_results.json" "$@"
