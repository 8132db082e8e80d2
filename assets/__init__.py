"""Data that ships with the viewer: trained checkpoints. See `nca_viewer.assets`."""
