"""Seed documents: files, packs that ship with the package, checks of their quality."""
