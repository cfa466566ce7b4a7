"""What the registry fetches from others."""
