"""Routing: which list of blocks to remove for a prompt whose task nobody names (`router`), and its making (`fitting`)."""

from blocksieve.routing.router import Route, Router

__all__ = ["Route", "Router"]
