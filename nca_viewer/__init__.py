"""A neural cellular automaton in a window, to watch and to paint on."""

import os

# Both are read when pygame is imported: it would print a greeting, and name windows after the script.
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
os.environ.setdefault("SDL_VIDEO_X11_WMCLASS", "nca-viewer")
