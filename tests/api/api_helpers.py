"""What the tests of the Python interface share."""

FAST = ("data.limit=80", "train.epochs=2", "train.batch_size=32", "evaluate=quick", "device=cpu")
"""A run of a second or two on built-in data."""
