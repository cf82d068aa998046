#!/usr/bin/env bash
# All that a GPU has to show, in at most 7 minutes; `--small` for a CPU. See benchmarks/gpu.py.
# Python has to have torch and a transformers that pyproject.toml allows. Wheels in the folder
# $WHEELS are unpacked and come first, where a machine has others and no network.
# Results go to $OUT, else to benchmarks/.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON="${PYTHON:-python3}"
export PYTHONPATH="$PWD/src:$PWD/benchmarks:$PWD/tests/unit${PYTHONPATH:+:$PYTHONPATH}"
export PYTHONUNBUFFERED=1
if [ -n "${WHEELS:-}" ]; then
    unpacked="$(mktemp -d)"
    for wheel in "$WHEELS"/*.whl; do
        "$PYTHON" -m zipfile -e "$wheel" "$unpacked"
    done
    export PYTHONPATH="$unpacked:$PYTHONPATH"
fi
exec timeout 420 "$PYTHON" benchmarks/gpu.py --out "${OUT:-benchmarks}/gpu_results.json" "$@"
