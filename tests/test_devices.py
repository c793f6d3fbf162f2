import subprocess
import sys

import pytest
import torch

from ae_run import devices

STEPS = """
import resource, sys, torch
from ae_run import devices

def faults(size):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(50):
        # What a step does: several activations at a time, all freed at its end.
        activations = [torch.zeros(size) for _ in range(4)]
        del activations
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

devices.keep_freed_memory()
faults(5_000_000)
print(faults(5_000_000))
"""


GAP = """
import torch
from ae_run import devices

def resident():
    with open("/proc/self/statm") as file:
        return 4096 * int(file.read().split()[1])

devices.keep_freed_memory()
activations = [torch.ones(5_000_000) for _ in range(8)]
last = torch.ones(1000)  # above the others in the heap
del activations
kept = resident()
devices.return_freed_memory()
print(kept - resident())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc can be told to")
def test_freed_memory_is_returned_when_training_is_over():
    done = subprocess.run([sys.executable, "-c", GAP], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 100e6  # of 160 MB


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc can be told to")
def test_steps_reuse_the_memory_of_freed_activations():
    done = subprocess.run([sys.executable, "-c", STEPS], capture_output=True, text=True, check=True)
    # Handed back each time, 50 times four tensors of 20 MB are a million pages.
    assert int(done.stdout) < 1000


@pytest.mark.parametrize(
    ("most", "kept"),
    [(1 << 30, {-3: 1 << 30, -1: 1 << 30}), (32 << 20, {-3: 32 << 20, -1: 1 << 30}), (0, {})],
)
def test_an_older_c_library_gets_what_it_takes(monkeypatch, most, kept):
    found = {}

    class Library:
        def mallopt(self, option, value):
            if option == -3 and value > most:
                return 0
            found[option] = value
            return 1

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr("ctypes.CDLL", lambda _: Library())
    devices.keep_freed_memory()
    assert found == kept


def test_several_gpus_are_given_to_processes_in_turn(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    given = [devices.share("auto", number)["CUDA_VISIBLE_DEVICES"] for number in range(4)]
    assert given == ["0", "1", "0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    assert devices.share("cuda", 1) == {"CUDA_VISIBLE_DEVICES": "7"}
    assert devices.share("cuda:1", 1) == devices.share("cpu", 1) == {}
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert devices.share("auto", 1) == {}
