"""What outcomes reads of other apps."""
