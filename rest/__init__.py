"""The REST surface: rows of method, path, command and handler."""
