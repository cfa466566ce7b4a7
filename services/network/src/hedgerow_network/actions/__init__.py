"""Writes that decide something, a module a subject."""
