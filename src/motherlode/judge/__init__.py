"""A language model judges what was mined: how much of it is right, and how much was missed."""
