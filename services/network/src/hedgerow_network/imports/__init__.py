"""What network takes in itself, a module a kind of file."""
