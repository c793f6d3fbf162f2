"""Seeded cases: `FUZZ_SEED` sets the seed, `FUZZ_CASE` repeats one case, `FUZZ_SECONDS` the time.

A test that fails prints what repeats it.
"""

import os
import random
import time
from collections.abc import Iterator
from itertools import count

SEED = int(os.environ.get("FUZZ_SEED", "0"))
_CASE = os.environ.get("FUZZ_CASE")
_SECONDS = float(os.environ.get("FUZZ_SECONDS", "60"))


def cases(kind: str, share: float) -> Iterator[random.Random]:
    """A generator for each case, until this share of the time is over; at least one."""
    until = time.monotonic() + share * _SECONDS
    for number in [int(_CASE)] if _CASE else count():
        print(f"to repeat it: FUZZ_SEED={SEED} FUZZ_CASE={number} pytest -m slow -k {kind}")
        yield random.Random(f"{SEED} {kind} {number}")
        if time.monotonic() > until:
            return


def chosen(kind: str, among: int, number: int) -> list[int]:
    """Some of the numbers from 1 to `among`, each once."""
    print(f"to repeat it: FUZZ_SEED={SEED}")
    return sorted(random.Random(f"{SEED} {kind}").sample(range(1, among + 1), min(number, among)))
