"""What the page measures of itself: quantiles, the last minute, and what it reports to the server."""

import random

import numpy as np

from tests.unit.serve.live_page.node import run

Sample = dict[str, float]

STAGES = [("event", "broker"), ("broker", "result"), ("result", "sent"), ("sent", "painted")]


def sample(painted: float, *, total: float = 100) -> Sample:
    """An event that was on the screen at `painted`: a tenth of its way to the broker, then 2, 3 and 4 tenths."""
    shares = {"event": 1.0, "broker": 0.9, "result": 0.7, "sent": 0.4, "painted": 0.0}
    return {name: painted - total * share for name, share in shares.items()}


def quantiles(asked: list[tuple[list[float], float]]) -> list[float | None]:
    script = "return given.map(([values, share]) => quantile(values, share));"
    return run(script, asked, imports={"latency.js": "quantile"})


def test_a_quantile_is_the_nearest_rank() -> None:
    chance = random.Random(3)
    sizes = [*range(1, 30), 99, 100, 101, 6000]
    asked = [
        ([chance.gauss(20, 40) for _ in range(size)], share) for size in sizes for share in (0.0, 0.25, 0.5, 0.99, 1.0)
    ]
    expected = [float(np.quantile(values, share, method="inverted_cdf")) for values, share in asked]
    assert quantiles(asked) == expected


def test_a_quantile_of_nothing_is_none_and_numbers_are_not_sorted_as_text() -> None:
    assert quantiles([([], 0.5), ([9, 10, 100], 0.5), ([-5, -40, 3], 0.5)]) == [None, 10, -5]


def minute(steps: list[list[object]]) -> list[object]:
    """Do steps, ["add", samples], ["samples", now], ["summary", now], ["clear"]; return what each returned."""
    script = """
      const minute = new LastMinute();
      return given.map(([step, ...values]) => minute[step](...values) ?? null);
    """
    return run(script, steps, imports={"latency.js": "LastMinute"})


def test_a_sample_counts_for_a_minute() -> None:
    given = [["add", [sample(0), sample(1), sample(2)]], ["samples", 60_000], ["samples", 60_001.5], ["samples", 1e6]]
    _, first, second, last = minute(given)
    assert (first, second, last) == ([sample(1), sample(2)], [sample(2)], [])


def test_no_more_than_the_newest_six_thousand_are_kept() -> None:
    batches = [["add", [sample(1000 * batch + n) for n in range(1000)]] for batch in range(7)]
    *_, kept = minute([*batches, ["samples", 6999]])
    assert kept == [sample(n) for n in range(1000, 7000)]


def test_the_summary_is_of_each_stage_and_of_the_whole_way() -> None:
    chance = random.Random(4)
    old = [sample(-1), sample(0)]
    samples = [sample(1000 + n, total=chance.uniform(20, 400)) for n in range(250)]
    [_, summary] = minute([["add", old + samples], ["summary", 60_000]])
    told = [summary["total"], *summary["stages"]]
    for (begin, end), found in zip([("event", "painted"), *STAGES], told, strict=True):
        times = [each[end] - each[begin] for each in samples]
        p50, p99 = np.quantile(times, [0.5, 0.99], method="inverted_cdf")
        assert (found["last"], found["p50"], found["p99"]) == (times[-1], p50, p99)
    assert summary["count"] == 250
    assert [found["name"] for found in told] == [
        "event → painted",
        "event → broker",
        "broker → result",
        "result → socket",
        "socket → painted",
    ]


def test_after_clearing_nothing_was_timed() -> None:
    [*_, summary] = minute([["add", [sample(1)]], ["clear"], ["summary", 2]])
    assert summary["count"] == 0
    assert [(s["last"], s["p50"], s["p99"]) for s in [summary["total"], *summary["stages"]]] == [(None, None, None)] * 5


def report(scripts: list[list[list[object]]]) -> list[list[list[int] | None]]:
    """Do the steps of each script, ["add", samples], ["take", now], ["clear"]; return what each returned."""
    script = """
      return given.map((steps) => {
        const report = new Report();
        return steps.map(([step, ...values]) => report[step](...values) ?? null);
      });
    """
    return run(script, scripts, imports={"latency.js": "Report"})


def test_the_first_report_does_not_wait_and_the_next_waits_a_second() -> None:
    steps = [["add", [1]], ["take", 5000], ["add", [2]], ["take", 5999], ["add", [3]], ["take", 6000]]
    [found] = report([steps])
    assert found[1::2] == [[1], [], [2, 3]]


def test_asking_while_nothing_waits_makes_nothing_wait() -> None:
    assert report([[["take", 0], ["add", [1]], ["take", 1]]]) == [[[], None, [1]]]


def test_a_report_is_of_the_newest_hundred() -> None:
    steps = [["add", list(range(60))], ["add", list(range(60, 101))], ["take", 0]]
    assert report([steps])[0][-1] == list(range(1, 101))


def test_what_was_cleared_is_not_reported() -> None:
    assert report([[["add", [1]], ["clear"], ["add", [2]], ["take", 0]]])[0][-1] == [2]


def test_nothing_is_reported_twice_nor_more_often_than_once_a_second() -> None:
    chance = random.Random(8)
    scripts = []
    for _ in range(200):
        now, number, steps = 0, 0, []
        for _ in range(40):
            now += chance.choice([0, 1, 400, 999, 1000, 3000])
            size = chance.choice([0, 1, 5, 70])
            steps += [["add", list(range(number, number + size))]] if chance.random() < 0.6 else [["take", now]]
            number += size if steps[-1][0] == "add" else 0
        scripts.append(steps)
    for steps, found in zip(scripts, report(scripts), strict=True):
        waiting: list[int] = []
        told_at = -1000
        for (step, value), answer in zip(steps, found, strict=True):
            if step == "add":
                waiting += value
                continue
            due = value - told_at >= 1000 and waiting
            assert answer == (waiting[-100:] if due else [])
            if due:
                waiting, told_at = [], value
