"""From a council's own table to the canonical import format: pure, streaming, no HTTP."""
