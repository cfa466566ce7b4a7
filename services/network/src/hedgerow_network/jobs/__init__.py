"""Work that no request starts."""
