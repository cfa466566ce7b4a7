"""Contracting processes as the Open Contracting Data Standard 1.1 tells of them."""
