"""The generator is reproducible and keeps to itself; the device is chosen by what is there.

Convolutions of a few pixels go to PyTorch's own code, and to oneDNN's again afterwards.
"""

import runpy

import pytest
import torch

from dgm_teach import rng
from dgm_teach.device import convolutions_for, pick_device
from dgm_teach.rng import make_generator


def test_same_seed_same_numbers():
    first = torch.randn(100, generator=make_generator(7))
    again = torch.randn(100, generator=make_generator(7))
    other = torch.randn(100, generator=make_generator(8))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_numbers_are_those_of_torch_for_that_seed():
    with torch.random.fork_rng():
        torch.manual_seed(7)
        expected = torch.randn(100)
    assert torch.equal(torch.randn(100, generator=make_generator(7)), expected)


def test_global_state_is_left_alone():
    before = torch.get_rng_state()
    torch.randn(10, generator=make_generator(0))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("seed", [0, 1, 2**63 - 1])
def test_ends_of_the_range_are_accepted(seed):
    assert make_generator(seed).initial_seed() == seed


@pytest.mark.parametrize("seed", [-1, 2**63, True, 1.0, "1", None])
def test_other_seeds_are_refused(seed):
    # A copy of the module without the run-time type checker, as readers have it.
    unchecked = runpy.run_path(rng.__file__)["make_generator"]
    with pytest.raises(ValueError, match=r"seed must be .* from 0 to 2\*\*63 - 1, got "):
        unchecked(seed)


@pytest.mark.parametrize(("available", "kind"), [(True, "cuda"), (False, "cpu")])
def test_device_is_cuda_exactly_when_available(monkeypatch, available, kind):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    assert pick_device() == torch.device(kind)


@pytest.mark.parametrize(
    ("shape", "onednn"),
    [((2, 3, 28, 28), False), ((2, 64, 25, 40), False), ((1, 1, 1, 2001), True), ((2, 2), True)],
)
def test_few_pixels_are_convolved_without_onednn(shape, onednn):
    with convolutions_for(torch.zeros(shape)):
        assert torch.backends.mkldnn.enabled is onednn
    assert torch.backends.mkldnn.enabled is True


def test_the_library_is_put_back_after_an_error():
    with pytest.raises(KeyboardInterrupt), convolutions_for(torch.zeros(1, 1, 4, 4)):
        raise KeyboardInterrupt
    assert torch.backends.mkldnn.enabled is True


def test_a_reader_who_switched_onednn_off_finds_it_off(monkeypatch):
    monkeypatch.setattr(torch.backends.mkldnn, "enabled", False)
    with convolutions_for(torch.zeros(8, 3, 28, 28)):
        assert torch.backends.mkldnn.enabled is False
    assert torch.backends.mkldnn.enabled is False


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_generator_on_cuda():
    generator = make_generator(7, "cuda")
    drawn = torch.randn(10, device="cuda", generator=generator)
    again = torch.randn(10, device="cuda", generator=make_generator(7, pick_device()))
    assert torch.equal(drawn, again)
