"""Where the Snakefile, its rules, the ready configs and the demo's model lie."""

from pathlib import Path

PACKAGE = Path(__file__).parent


def workflow_folder() -> Path:
    """Return the folder of the Snakefile: the repository, or its copy in an installed package."""
    installed = PACKAGE / "workflow_files"
    return installed if installed.is_dir() else PACKAGE.parents[1]
