"""Datasets: where samples come from, which of them are drawn, and the file that holds them."""
