"""The page of a run: one HTML file that answers, without a network, what may be removed.

Python computes every number (`content`), and the page's scripts show them. Only means over
datasets under weights that the reader sets are computed in the page, from each dataset's mean and
half interval (`weights.js`).
"""
