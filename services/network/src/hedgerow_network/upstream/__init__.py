"""Clients of other apps, holding only what network reads of them."""
