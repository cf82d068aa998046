"""Figures: each module draws the table that the module of the same name in `blocksieve.analysis` computes."""
