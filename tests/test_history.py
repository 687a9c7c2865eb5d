"""The history buffer: how it fills, what it returns, and the law of the ages."""

import pytest
import torch
from oracles import randn
from torch.testing import assert_close

from dgm_teach.history import HistoryBuffer
from dgm_teach.rng import make_generator


def stamped(time, rows=1, width=1):
    """Examples that carry their time and their place in the batch."""
    place = torch.arange(rows, dtype=torch.float64)[:, None] / 100
    return (time + place).repeat(1, width)


def test_while_it_fills_batches_pass_unchanged_and_are_kept():
    buffer = HistoryBuffer(5)
    for time in range(2):
        assert torch.equal(buffer.exchange(stamped(time, rows=2)), stamped(time, rows=2))
    assert torch.equal(buffer.exchange(stamped(2, rows=2)), stamped(2, rows=2))
    # five places: both of time 0, both of time 1, the first of time 2
    stored = torch.cat([stamped(time, rows=2) for time in range(3)])[:5]
    assert torch.equal(buffer.rows, stored)


@pytest.mark.parametrize("shape", [(2,), (1, 3, 3)])
def test_nothing_is_lost_or_made_up(shape):
    # stored before + new rows = stored after + returned, as sets of rows
    buffer, g = HistoryBuffer(6), make_generator(0)
    for time in range(30):
        full = buffer.rows is not None and len(buffer.rows) == 6
        before = None if buffer.rows is None else buffer.rows.clone()
        new = randn(4, *shape, seed=time)
        out = buffer.exchange(new, generator=g)
        assert out.shape == new.shape
        if full:
            left = torch.cat([before, new]).flatten(1)
            right = torch.cat([buffer.rows, out]).flatten(1)
            assert torch.equal(left[left[:, 0].argsort()], right[right[:, 0].argsort()])


def test_a_returned_row_keeps_its_place_or_is_from_the_history():
    buffer, g = HistoryBuffer(6), make_generator(1)
    history = set()
    for time in range(40):
        new = stamped(time, rows=3)
        out = buffer.exchange(new, generator=g)
        for row, own in zip(out[:, 0].tolist(), new[:, 0].tolist(), strict=True):
            assert row == own or row in history
        history |= set(new[:, 0].tolist())


def test_a_coin_decides_for_each_row():
    buffer, g = HistoryBuffer(50), make_generator(2)
    buffer.exchange(stamped(-1, rows=50), generator=g)
    fresh = torch.cat(
        [buffer.exchange(stamped(t, 5), generator=g)[:, 0] >= t for t in range(400)]
    ).double()
    # 2,000 coins: the standard error of the share is 1 / sqrt(8000)
    assert abs(fresh.mean().item() - 0.5) < 4 / 8000**0.5


def test_ages_follow_the_law_of_the_chapter():
    # eq-cyc-buffer-age with K = 4, B = 3: r = 3/8. Independent buffers, filled in two batches and
    # then run for 22: a place is as it was then with probability (5/8)^22 = 3e-5.
    g, ages, r = make_generator(3), [], 3 / 8
    for _ in range(400):
        buffer = HistoryBuffer(4)
        for time in range(24):
            out = buffer.exchange(stamped(time, rows=3), generator=g)
        ages.append(23 - int(out[0, 0]))
    share = torch.bincount(torch.tensor(ages), minlength=6)[:6] / 400
    law = torch.tensor([0.5] + [0.5 * r * (1 - r) ** (j - 1) for j in range(1, 6)])
    se = (law * (1 - law) / 400).sqrt()
    assert ((share - law).abs() < 4 * se).all()
    # variance of the age: half the second moment of the geometric, (2 - r) / r², less K²/B²
    spread = (0.5 * (2 - r) / r**2 - 16 / 9) ** 0.5
    assert abs(sum(ages) / 400 - 4 / 3) < 4 * spread / 400**0.5


def test_every_place_is_used():
    buffer, g = HistoryBuffer(5), make_generator(4)
    buffer.exchange(stamped(-1, rows=5), generator=g)
    for time in range(200):  # a place survives with probability 0.9^200 < 1e-9
        buffer.exchange(stamped(time), generator=g)
    assert (buffer.rows >= 0).all()


def test_stored_rows_have_no_graph_and_do_not_follow_their_source():
    buffer, x = HistoryBuffer(3), randn(3, 2, seed=0).requires_grad_()
    out = buffer.exchange(2 * x)
    assert not out.requires_grad
    assert not buffer.rows.requires_grad
    source = randn(3, 2, seed=1)
    kept = source.clone()
    other = HistoryBuffer(3)
    other.exchange(source)
    source.zero_()
    assert_close(other.rows, kept)


def test_returned_rows_are_not_the_memory_of_the_buffer():
    buffer, g = HistoryBuffer(2), make_generator(0)
    for time in range(8):
        before = None if buffer.rows is None else buffer.rows.clone()
        out = buffer.exchange(stamped(time, rows=2), generator=g)
        stored = buffer.rows.clone()
        out.zero_()
        assert torch.equal(buffer.rows, stored)
        assert before is None or len(before) == 2


def test_noise_comes_from_the_generator_alone():
    before, runs = torch.get_rng_state(), []
    for seed in (5, 5, 6):
        buffer, g = HistoryBuffer(4), make_generator(seed)
        runs.append(torch.cat([buffer.exchange(stamped(t, 2), generator=g) for t in range(30)]))
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])
    assert torch.equal(torch.get_rng_state(), before)


def test_fifty_is_the_default_size():
    assert HistoryBuffer().size == 50


@pytest.mark.parametrize("size", [0, -3])
def test_a_buffer_without_room_is_refused(size):
    with pytest.raises(ValueError, match=f"^size must be at least 1, got {size}$"):
        HistoryBuffer(size)


def test_a_batch_larger_than_the_buffer_is_refused():
    message = r"^x_fake must have at most size = 4 rows, got 5$"
    with pytest.raises(ValueError, match=message):
        HistoryBuffer(4).exchange(stamped(0, rows=5))
    HistoryBuffer(4).exchange(stamped(0, rows=4))
