"""Records of a run: everything that reached the cells, line by line, and repeating it bit for bit."""
