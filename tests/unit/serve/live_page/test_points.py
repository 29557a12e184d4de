"""What the page knows of a symbol: of each window the newest point, whatever the order they come in."""

import random

import pytest

from tests.unit.serve.live_page.node import run

Point = dict[str, int]
State = dict[str, object]

WINDOW_MS = 3000
SLIDE_MS = 500
HISTORY_MS = 10_000
NOON_MS = 1_710_849_600_000


def at(window: int) -> int:
    """The end of the window that ends so many slides after noon."""
    return NOON_MS + SLIDE_MS * window


def point(sequence: int, *, window: int = 0, count: int = 1, age: int = 1) -> Point:
    """A point whose newest event is so many ms older than the end of its window."""
    return {"end": at(window), "count": count, "sequence": sequence, "event": at(window) - age}


def states(scripts: list[list[Point | None]]) -> list[list[State]]:
    """Add the points of each script, clearing at None; return what is known after each step."""
    script = f"""
      return given.map((steps) => {{
        const points = new SymbolPoints({{ slide: {SLIDE_MS}, history: {HISTORY_MS} }});
        return steps.map((step) => {{
          const told = step === null ? points.clear() : points.add(step);
          const {{ size, front, sequence, event }} = points;
          return {{ ...told, size, front, sequence, event, shown: points.shown() }};
        }});
      }});
    """
    return run(script, scripts, imports={"points.js": "SymbolPoints"})


def last_state(*steps: Point | None) -> State:
    return states([list(steps)])[0][-1]


def first_end_after(event: int) -> int:
    return next(end for end in range(event + 1, event + SLIDE_MS + 1) if end % SLIDE_MS == 0)


def drawn_of(steps: list[Point]) -> list[Point]:
    """Judge all points at once: of each window in the history the best, up to the window of the newest event."""
    newest = max(p["end"] for p in steps)
    ends = {p["end"] for p in steps if p["end"] > newest - HISTORY_MS}
    best = [max((p for p in steps if p["end"] == end), key=lambda p: (p["count"], p["sequence"])) for end in ends]
    front = first_end_after(max(p["event"] for p in steps if p["end"] in ends))
    return sorted((p for p in best if p["end"] <= front), key=lambda p: p["end"])


def market(chance: random.Random) -> list[Point]:
    """Trades at odd times; with each, all the windows that hold it are told anew, those that do not end yet as well."""
    told: dict[int, int] = {}
    made = []
    event = NOON_MS
    for _ in range(chance.randint(1, 40)):
        event += chance.choice([0, 1, 20, 499, 500, 501, 4000])
        for end in range(first_end_after(event), event + WINDOW_MS + 1, SLIDE_MS):
            told[end] = told.get(end, 0) + 1
            made.append({"end": end, "count": told[end], "sequence": len(made), "event": event})
    return made


@pytest.mark.parametrize("slide", [1, 500, 700])
def test_an_event_at_the_end_of_a_window_is_in_the_next_one(slide: int) -> None:
    events = [NOON_MS + ms for ms in range(-1401, 1402)]
    found = run(f"return given.map((event) => windowOf(event, {slide}));", events, imports={"points.js": "windowOf"})
    assert found == [next(e for e in range(event + 1, event + slide + 1) if e % slide == 0) for event in events]


def test_a_greater_count_is_newer_and_of_equal_counts_the_greater_sequence() -> None:
    few, many, again = point(9, count=2), point(4, count=3), point(6, count=3)
    for steps in ([few, many, again], [again, many, few], [many, again, few]):
        assert last_state(*steps)["shown"] == [again]


def test_what_is_known_already_is_not_kept_again() -> None:
    [first, second, older] = states([[point(5, count=2), point(5, count=2), point(7, count=1)]])[0]
    assert (first["kept"], second["kept"], older["kept"]) == (True, False, False)
    assert older["sequence"] == 7


def test_what_is_as_old_as_the_history_is_dropped_and_does_not_come_back() -> None:
    begin, inside, newest = point(1, window=0), point(2, window=1), point(3, window=20)
    state = last_state(begin, inside, newest, point(4, window=0, count=9), point(5, window=-1))
    assert (state["kept"], state["shown"], state["size"], state["sequence"]) == (False, [inside, newest], 2, 5)


def test_windows_after_that_of_the_newest_event_are_known_but_not_shown() -> None:
    now, next_one = point(1, window=0), point(2, window=1, age=501)
    state = last_state(now, next_one)
    assert (state["size"], state["front"], state["shown"]) == (2, at(0), [now])
    assert last_state(now, next_one, point(3, window=1, count=2, age=500))["front"] == at(1)


def test_timed_is_a_new_event_in_the_window_that_is_drawn_for_it() -> None:
    steps = [
        point(1, window=0, count=1, age=500),
        point(2, window=0, count=2, age=500),  # a second trade of the same millisecond
        point(3, window=0, count=3, age=1),
        point(4, window=1, count=3, age=501),  # the same trade in the window after its own
        point(5, window=0, count=4, age=1),
        point(6, window=0, count=3, age=0),
    ]
    assert [state["timed"] for state in states([steps])[0]] == [True, False, True, False, False, False]


def test_cleared_it_knows_nothing_and_takes_older_windows_again() -> None:
    empty, after = states([[point(9, window=99), None, point(1, window=0)]])[0][1:]
    nothing: State = {"size": 0, "front": None, "sequence": None, "event": None, "shown": []}
    assert empty == nothing
    assert after["shown"] == [point(1, window=0)]


def test_any_order_of_a_market_ends_with_the_same_picture() -> None:
    chance = random.Random(1)
    scripts = []
    for _ in range(100):
        made = market(chance)
        made += chance.sample(made, len(made) // 5)
        scripts += [made, chance.sample(made, len(made)), sorted(made, key=lambda p: chance.gauss(p["sequence"], 9))]
    for steps, found in zip(scripts, states(scripts), strict=True):
        assert found[-1]["shown"] == drawn_of(steps)


def test_after_each_point_the_state_is_that_of_all_points_so_far() -> None:
    chance = random.Random(2)
    scripts = []
    for _ in range(100):
        windows, ages = [chance.randint(0, 40) for _ in range(30)], [chance.randint(0, WINDOW_MS) for _ in range(30)]
        numbers = chance.sample(range(100), 30)
        scripts.append(
            [
                point(number, window=window, count=chance.randint(1, 3), age=age)
                for number, window, age in zip(numbers, windows, ages, strict=True)
            ]
        )
    for steps, found in zip(scripts, states(scripts), strict=True):
        kept: list[Point] = []
        for step, (new, state) in enumerate(zip(steps, found, strict=True)):
            so_far = steps[: step + 1]
            newest = max(p["end"] for p in so_far)
            rivals = [p for p in steps[:step] if p["end"] == new["end"]]
            is_best = all((new["count"], new["sequence"]) > (p["count"], p["sequence"]) for p in rivals)
            is_kept = is_best and new["end"] > newest - HISTORY_MS
            before = [p["event"] for p in kept if p["end"] == new["end"]][-1:]
            is_timed = is_kept and before < [new["event"]] and new["end"] == first_end_after(new["event"])
            kept += [new] if is_kept else []
            event = max(p["event"] for p in kept)
            assert (state["kept"], state["timed"]) == (is_kept, is_timed)
            assert (state["event"], state["front"]) == (event, first_end_after(event))
            assert state["sequence"] == max(p["sequence"] for p in so_far)
            assert state["size"] == len({p["end"] for p in so_far if p["end"] > newest - HISTORY_MS})


def rows_of(series: list[list[Point]]) -> list[list[dict[str, object]]]:
    return run(f"return given.map((points) => onGrid(points, {SLIDE_MS}));", series, imports={"points.js": "onGrid"})


def test_a_quiet_market_has_rows_without_points() -> None:
    first, last = point(1, window=0), point(2, window=3)
    rows = [(row["end"], row["point"]) for row in rows_of([[first, last]])[0]]
    assert rows == [(at(0), first), (at(1), None), (at(2), None), (at(3), last)]


def test_rows_are_evenly_spaced_and_hold_every_point() -> None:
    chance = random.Random(9)
    series = [[point(w, window=w) for w in sorted(chance.sample(range(241), size))] for size in (0, 1, 2, 60, 240, 241)]
    for points, rows in zip(series, rows_of(series), strict=True):
        assert [row["point"] for row in rows if row["point"] is not None] == points
        ends = [row["end"] for row in rows]
        assert ends == (list(range(points[0]["end"], points[-1]["end"] + 1, SLIDE_MS)) if points else [])
        assert all(row["point"] is None or row["point"]["end"] == row["end"] for row in rows)
