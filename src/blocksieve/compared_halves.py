"""What the table of `analysis/halves.py` says of halves, for all that read it."""

BOTH = "both halves"
DIFFERENCE = "token mixer - channel mixer"
BEYOND_SUM = "both halves - their sum"
EVERYWHERE = "all"
"""The group of all datasets, and the position of all blocks."""
