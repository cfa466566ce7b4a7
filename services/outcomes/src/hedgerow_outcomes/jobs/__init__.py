"""Work that no request started."""
