"""`python -m nca_viewer` is `nca-viewer`."""

from nca_viewer.cli import main

main()
