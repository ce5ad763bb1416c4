"""Quality filters: the rules of Gopher, C4 and FineWeb over words that are split once."""
