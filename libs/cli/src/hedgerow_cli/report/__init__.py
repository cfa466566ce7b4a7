"""`hedgerow report`: a place in one document to print or send, drawn from the platform's own answers."""
