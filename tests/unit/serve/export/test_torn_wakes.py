"""An export that ends between any two replaced files goes on, in other batches, to the same files."""

import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

from serve.export.exporter import Exporter
from serve.export.feed import Lane, Message
from tests.unit.serve.export.contents import contents, days
from tests.unit.serve.export.expected import expected
from tests.unit.serve.export.messages import RULES, in_lanes, neutral, post, quote, ticker, trade, values_of

TO_MIDNIGHT = 12 * 60 * 60


class EndsHereError(RuntimeError):
    """Stands for a kill."""


class Ending:
    """Replaces files so many times, then ends: before it has replaced the next, or right after it."""

    def __init__(self, left: int, *, after: bool) -> None:
        self.left = left
        self._after = after

    def replace(self, copy: Path, path: Path) -> None:
        if self.left == 0 and not self._after:
            raise EndsHereError
        copy.replace(path)
        if self.left == 0:
            raise EndsHereError
        self.left -= 1


def messages() -> list[Message]:
    """Two symbols, quotes, posts and one message that is no record, from before midnight to after it."""
    records = [
        record
        for step in range(24)
        for second in [TO_MIDNIGHT - 200 + step * 15]
        for record in (
            trade(step, f"{step}.1", second),
            trade(step // 2, f"{step // 2}.7", TO_MIDNIGHT - 200 + step // 2 * 30, symbol="ETHUSDT"),
            trade(1000 + step, "5", second - 300),
            quote(1, "60000", second * 10 - 9 * TO_MIDNIGHT),
            ticker(None if step % 3 else "7", second),
            post(str(step // 2), f"gm {step // 2}", TO_MIDNIGHT - 200 + step // 2 * 30),
        )
    ]
    lane = Lane("ethereum", "0")
    return [*in_lanes(records[:100], 2), Message(lane, 0, b"no post"), *in_lanes(records, 2)[100:]]


def run(folder: Path, given: Sequence[Message], size: int, ending: Ending) -> bool:
    """Export all that comes after where the folder stands, and say whether it came to its end."""
    try:
        exporter = Exporter(folder, RULES, neutral, ending.replace)
        rest = [one for one in given if one.offset >= exporter.positions.get(one.lane, 0)]
        for start in range(0, len(rest), size):
            exporter.commit(rest[start : start + size])
    except EndsHereError:
        return False
    return True


def readable(folder: Path) -> None:
    """Demand that every file that is there can be read, all of its tables."""
    for path in folder.glob("*.h5"):
        with pd.HDFStore(path, "r") as store:
            for name in store:
                store.select(name)


@pytest.mark.parametrize("after", [False, True], ids=["before it is replaced", "after it is replaced"])
def test_ended_at_each_file_in_turn_and_gone_on_in_other_batches_nothing_is_lost_or_doubled(
    tmp_path: Path, after: bool
) -> None:
    given = messages()
    due = expected(values_of(given))
    assert due.bars and due.open_bars and due.late and due.posts and due.rejected and due.without_price
    counting = Ending(10_000, after=False)
    (tmp_path / "whole").mkdir()
    assert run(tmp_path / "whole", given, 60, counting)
    replaced = 10_000 - counting.left
    assert replaced > 8
    for end in range(replaced):
        folder = tmp_path / f"{end}"
        folder.mkdir()
        assert not run(folder, given, 60, Ending(end, after=after))
        readable(folder)
        assert run(folder, given, 37 + end, Ending(10_000, after=False))
        assert contents(folder) == due, f"ended at file {end}"
        assert len(days(folder)) == 2


def test_ended_again_and_again_it_comes_to_the_end_all_the_same(tmp_path: Path) -> None:
    given = messages()
    runs = 1
    while not run(tmp_path, given, 29 + runs, Ending(runs % 4 + 2, after=bool(runs % 2))):
        readable(tmp_path)
        runs += 1
    assert runs > 3
    assert contents(tmp_path) == expected(values_of(given))


def test_a_copy_that_was_left_half_written_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".2024-03-19.h5.new").write_bytes(b"half of a fi")
    Exporter(tmp_path, RULES, neutral, os.replace)
    assert [path.name for path in tmp_path.iterdir()] == ["progress.h5"]
