"""From a list of blocks to a checkpoint: which list, what is written, and the proof of it."""
