"""Routing: which blocks to remove for a prompt of unknown task; `fitting` makes the router."""

from blocksieve.routing.router import Route, Router

__all__ = ["Route", "Router"]
