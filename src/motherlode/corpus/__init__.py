"""Corpora: readers, per-document filters, duplicates, statistics."""
