"""The export: messages out of a feed into the files of a folder, each of them once, however often it is killed.

Why a kill at any instant loses and doubles nothing. In a wake each file that changes is written as a copy, brought to
the disk, and put in the file's place by one `os.replace`: the files of days first, then that of the rejected, last the
one of the progress. Each of them holds the positions up to which it has taken every lane, and is replaced together
with them.

- A kill before a replace leaves the old file, and a copy that the next start removes.
- A kill between two replaces leaves some files further on than the progress. The next start asks the feed for what
  comes after the progress: nothing that some file lacks is skipped, since the progress is never ahead of a file that
  changed. A file that is further on skips what is below its own positions: nothing is taken twice.
- Messages that are offered again may be cut into other batches. A row is judged by the rows of its own series before it
  (`bars.judge`), which begin at the progress either way, so it is judged as before; and a bar that was closed in a
  file has left its pending rows in the same replace, so it is not closed again.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from serve.export import bars, day_file, positions, progress_file, rejected_file
from serve.export.bars import Newest
from serve.export.day_file import DAY_MS, Added
from serve.export.feed import Feed, Lost, Message
from serve.export.parse import Parsed, parse
from serve.export.posts import Score
from serve.export.progress_file import Progress
from serve.export.replaced_file import Replace, remove_copies
from serve.export.settings import Rules


class Part(NamedTuple):
    """What one commit took, and what it did to the files of days."""

    messages: int
    rejected: int
    days: dict[Path, Added]


class Exporter:
    """Takes batches of messages, in order of each lane, and commits each to the files before the next."""

    def __init__(self, folder: Path, rules: Rules, score: Score, replace: Replace) -> None:
        """Take up a folder where it stands.

        Raises:
            ExportError: the folder cannot be read, or was made by other rules.
        """
        self._folder = folder
        self._rules = rules
        self._score = score
        self._replace = replace
        remove_copies(folder)
        path = progress_file.path_of(folder)
        self._progress = Progress.read(path, rules)
        if not path.exists():
            # Before any day: days without a progress are then no first wake that was killed, but a loss.
            self._progress.write(path, rules, replace)

    @property
    def positions(self) -> positions.Positions:
        """Where each lane goes on."""
        return dict(self._progress.positions)

    def note_lost(self, lost: Iterable[Lost]) -> None:
        """Put messages on record that were gone before they could be taken, and go on behind them."""
        for one in lost:
            self._progress.lost.append(one)
            self._progress.positions[one.lane] = one.next_offset
        self._progress.write(progress_file.path_of(self._folder), self._rules, self._replace)

    def commit(self, messages: Sequence[Message], lost: Sequence[Lost] = ()) -> Part:
        """Bring messages into the files, and beside them which others were found to be lost.

        Raises:
            ExportError: a file cannot be read or written. What was not replaced is taken again at the next start.
        """
        progress, parsed = self._progress, parse(messages, self._rules)
        judged = bars.judge(parsed.prices, progress.newest, self._rules)
        newest = {**progress.newest, **judged.newest}
        upto = positions.after(messages, progress.positions)
        changed = {
            day: day_file.update(
                day_file.path_of(self._folder, day),
                prices=_of_day(judged.rows, day),
                new_posts=_of_day(parsed.posts, day),
                newest=newest,
                upto=upto,
                rules=self._rules,
                score=self._score,
                replace=self._replace,
            )
            for day in sorted(self._days(judged.rows, parsed.posts, newest, judged.newest))
        }
        if parsed.refused:
            rejected_file.add(rejected_file.path_of(self._folder), parsed.refused, upto, self._replace)
        self._count(messages, parsed)
        progress.positions = positions.furthest(upto, {one.lane: one.next_offset for one in lost})
        progress.lost.extend(lost)
        progress.newest = newest
        progress.write(progress_file.path_of(self._folder), self._rules, self._replace)
        days = {day_file.path_of(self._folder, day): added for day, added in changed.items()}
        return Part(len(messages), len(parsed.refused), days)

    def _days(self, prices: pd.DataFrame, posts: pd.DataFrame, newest: Newest, moved: Newest) -> set[int]:
        """Return the days that rows are of, and those of which open bars are closed by now."""
        with_rows = {int(at) // DAY_MS for frame in (prices, posts) for at in frame["at"].unique()}
        may_close: set[int] = set()
        for series, after in moved.items():
            before = self._progress.newest.get(series)
            if before is not None and after > before:
                # What can be open is of the time that a bar and its lateness reach back.
                reach = self._rules.interval + self._rules.lateness(series[1])
                may_close |= set(range((before - reach) // DAY_MS, before // DAY_MS + 1))
        return with_rows | {
            day
            for day in may_close - with_rows
            if day_file.holds_open_bars_that_close(day_file.path_of(self._folder, day), newest, self._rules)
        }

    def _count(self, messages: Sequence[Message], parsed: Parsed) -> None:
        self._progress.messages.update(Counter(message.lane.topic for message in messages))
        self._progress.without_price.update(parsed.without_price)
        self._progress.rejected.update(Counter(one.message.lane.topic for one in parsed.refused))


def _of_day(rows: pd.DataFrame, day: int) -> pd.DataFrame:
    return rows[rows["at"].astype("int64") // DAY_MS == day]


def export(
    feed: Feed,
    exporter: Exporter,
    *,
    max_messages: int,
    every: float,
    stop: threading.Event,
    done: Callable[[], bool],
    each: Callable[[Part], None],
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Wake every `every` seconds, or when `max_messages` have arrived, and commit what has, in one part.

    It ends after the part in which `stop` is set, or `done` says that there is no more to take. Between two wakes
    messages are only gathered, so that a feed is never left waiting.
    """
    while True:
        batch: list[Message] = []
        wakes_at = clock() + every
        while len(batch) < max_messages and (left := wakes_at - clock()) > 0 and not stop.is_set() and not done():
            batch.extend(feed.take(min(left, _WAIT_SECONDS)))
        lost = feed.losses()
        if batch:
            each(exporter.commit(batch, lost))
        elif lost:
            exporter.note_lost(lost)
        if stop.is_set() or done():
            return


_WAIT_SECONDS = 0.2
"""How long `stop` may go unseen."""
