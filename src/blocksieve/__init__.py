"""blocksieve: which decoder blocks of a vision-language model can be removed, at what loss."""
