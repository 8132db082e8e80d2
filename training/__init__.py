"""Trains the automaton that nca_viewer shows: data, recipes, the update, the loop, the figures."""

PROGRAM = "nca-train"
