"""Comparisons: methods of selection, or of mining, at equal budgets, with intervals."""
