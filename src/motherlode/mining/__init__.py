"""Mining: from seed documents to a labelled domain corpus (arXiv 2410.00260), exactly and with calibration."""
