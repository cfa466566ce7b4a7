"""Writes that decide something, a module a subject; those to the projection are named here."""

from hedgerow_network.actions.projection import apply, begin_round

__all__ = ["apply", "begin_round"]
