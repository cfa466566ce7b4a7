"""Copies of all that the platform keeps, and putting them back."""
