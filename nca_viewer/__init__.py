"""A neural cellular automaton in a window, to watch and to paint on."""

import os

# Both are read when pygame is imported: it would print a greeting, and name windows after the script.
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
os.environ.setdefault("SDL_VIDEO_X11_WMCLASS", "nca-viewer")
# XLA writes pages of machine features to stderr when it reads compiled code back from the cache, although
# that code was compiled on this very machine. Whatever fails is raised as well.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
