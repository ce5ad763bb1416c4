"""`diagnose` and `predict`: are the kernel's assumptions true of a model and its data (extra `select`)."""
