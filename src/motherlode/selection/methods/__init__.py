"""Methods: how candidates are scored and in which order they come; the registry is in `registry`."""
