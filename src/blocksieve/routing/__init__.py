"""Routing: which blocks to remove for a prompt of unknown task (`router`), and the making of the router (`fitting`)."""

from blocksieve.routing.router import Route, Router

__all__ = ["Route", "Router"]
