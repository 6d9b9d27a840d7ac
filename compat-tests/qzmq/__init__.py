"""QZMQ for a second time, written from docs/qzmq.md alone, over the PyPI package `cryptography`. Nothing in here does I/O but `peer`."""
