"""The commands of `blocksieve`: one module each, whose `main` takes the arguments."""

COMMANDS = {
    "init": "write the config of a run, for a model and datasets",
    "run": "run the workflow",
    "smoke": "run a small part of a config, and estimate what all of it takes",
    "estimate": "say how many pairs, jobs and hours a config takes",
    "status": "say how far a run is",
    "export": "write a model without some blocks as a checkpoint, and prove its answers",
    "route": "say which blocks to remove for a prompt",
}
"""Name of each command and module, and what it does."""
