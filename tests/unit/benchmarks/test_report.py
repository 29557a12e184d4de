"""What a table says of runs that finished, did not, or failed, and when a benchmark is worthless."""

import json
import re
from pathlib import Path

import msgspec

from benchmarks.chart import draw
from benchmarks.lakehouse import Size
from benchmarks.measure import Ending, Run
from benchmarks.report import growth_of, problems_of, run_row, stage_rows, transport_row
from benchmarks.same_results import Agreement
from benchmarks.transports.measured import Carried


def run(plan: str = "ours", rows: int = 1000, seconds: float = 10, ending: Ending = Ending.FINISHED) -> Run:
    return Run(
        plan=plan,
        rows=rows,
        ending=ending,
        seconds=seconds,
        rows_per_second=rows / seconds,
        cpu_seconds=12.4,
        server_cpu_seconds=1.6,
        job_peak_bytes=900 * 2**20,
        peak_bytes=1200 * 2**20,
        objects=345,
        stages={"start": 4.0, "land": 6.0} if plan == "ours" else {},
        last_words="no room left" if ending is Ending.FAILED else "",
    )


def size(*runs: Run, agreements: tuple[Agreement, ...] = ()) -> Size:
    return Size(rows=runs[0].rows, market_minutes=5, runs=runs, agreements=agreements)


def agreed(**changes: int) -> Agreement:
    return Agreement(
        plan="plain", what="wallex", **{"equal": 5, "different": 0, "only_ours": 0, "only_other": 0, **changes}
    )


def test_a_finished_run_shows_its_time_and_speed() -> None:
    assert run_row(run()) == ("1,000", "ours", "10.0", "100", "12", "2", "900", "1,200", "345")


def test_a_run_that_did_not_finish_shows_bounds() -> None:
    cells = run_row(run("plain", 2_000_000, 900, Ending.NOT_FINISHED))
    assert cells[:4] == ("2,000,000", "plain", "not finished in 900", "fewer than 2,222")


def test_a_failed_run_shows_no_speed() -> None:
    assert run_row(run("plain", ending=Ending.FAILED))[2:4] == ("failed after 10", "none")


def test_growth_compares_seconds_a_row_of_the_largest_and_the_smallest_finished_size() -> None:
    sizes = [
        size(run(rows=1000, seconds=10), run("plain", 1000, 5)),
        size(run(rows=100_000, seconds=500), run("plain", 100_000, 900, Ending.NOT_FINISHED)),
    ]
    # Ours: 0.01 s a row, then 0.005. Plain finished one size only.
    assert growth_of(sizes) == {"ours": 0.5}


def test_ours_unfinished_or_plans_that_differ_make_a_benchmark_worthless_and_plain_unfinished_does_not() -> None:
    assert problems_of([size(run(), run("plain", ending=Ending.NOT_FINISHED), agreements=(agreed(),))]) == []
    assert problems_of([size(run(ending=Ending.FAILED))]) == ["1,000 rows: ours failed after 10 s no room left"]
    for change in ({"different": 1}, {"only_ours": 1}, {"only_other": 1}, {"equal": 0}):
        assert len(problems_of([size(run(), run("plain"), agreements=(agreed(**change),))])) == 1


def test_stages_of_ours_stand_in_the_order_in_which_they_ended() -> None:
    assert stage_rows([size(run(), run("plain"))]) == (
        ("seconds per stage", "start", "land"),
        [("1,000", "4.0", "6.0")],
    )


def test_a_chart_marks_a_run_that_did_not_finish_as_a_bound_and_equal_results_give_equal_files(tmp_path: Path) -> None:
    sizes = [size(run(), run("plain", 1000, 20, Ending.NOT_FINISHED))]
    draw(sizes, tmp_path / "a.svg")
    draw(sizes, tmp_path / "b.svg")
    text = (tmp_path / "a.svg").read_text()
    assert text == (tmp_path / "b.svg").read_text()
    # Text is drawn as outlines; matplotlib leaves the words in comments.
    assert {"100", "&lt; 50", "land", "1,000 rows"} <= set(re.findall(r"<!-- (.*?) -->", text))


def test_a_run_survives_json() -> None:
    before = run(ending=Ending.NOT_FINISHED)
    written = msgspec.json.encode(before)
    assert json.loads(written)["ending"] == "not finished"
    assert msgspec.json.decode(written, type=Run) == before


def test_a_transport_shows_what_was_sent_and_lost_and_how_long_it_took() -> None:
    carried = Carried(
        **{"transport": "zmq", "topic": "wallex", "mode": "1,000/s", "sent": 20_000, "arrived": 19_000, "lost": 1000},
        **{"per_second": 1000.4, "p50_ms": 0.16, "p95_ms": 3.04, "p99_ms": 15.55},
    )
    assert transport_row(carried) == ("zmq", "wallex", "1,000/s", "20,000", "1,000", "1,000", "0.16", "3.04", "15.55")
