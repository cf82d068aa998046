"""Figures: each module draws what the module of the same name in `blocksieve.analysis` computes."""
