"""Encoders: text to unit vectors, stored as side columns of a corpus."""
