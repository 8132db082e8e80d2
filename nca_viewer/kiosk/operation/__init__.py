"""Unattended running: health, heartbeat, status, records, supervision. Plain Python and NumPy."""
