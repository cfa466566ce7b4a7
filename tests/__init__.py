"""A package, so that no package of that name among the installed ones can take its place."""
