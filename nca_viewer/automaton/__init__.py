"""The automaton: JAX only; it knows nothing of time, keys or screens."""
