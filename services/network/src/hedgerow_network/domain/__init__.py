"""Delivery networks in the terms of the field: no framework, no database."""
