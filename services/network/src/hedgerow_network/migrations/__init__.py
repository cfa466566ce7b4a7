"""The database of network, revision by revision."""
