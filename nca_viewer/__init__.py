"""A neural cellular automaton in a window, to watch and to paint on."""
