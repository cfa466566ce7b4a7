"""The API of network: one file per resource."""
