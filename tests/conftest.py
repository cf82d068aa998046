"""Set up before anything is imported."""

import os

# The tests run in several processes, each of which would take all cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
