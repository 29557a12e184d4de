"""What the page knows of all symbols, and when it forgets that."""

import pytest

from tests.unit.serve.live_page.node import run

TOLD = {"window_ms": 3000, "slide_ms": 500, "history_ms": 120_000}


@pytest.mark.parametrize("other", [{"window_ms": 6000}, {"slide_ms": 250}, {"history_ms": 60_000}])
def test_other_windows_than_before_make_what_is_known_worthless(other: dict[str, int]) -> None:
    script = """
      const market = new Market();
      const [told, other] = given;
      const point = { symbol: "BTCUSDT", end: 500, count: 1, sequence: 1, event: 400, last: "1.5" };
      const answers = [market.configure(told)];
      market.add(point);
      const sizes = () => answers.push(market.book("BTCUSDT").points.size);
      answers.push(market.configure({ ...told })); sizes();
      answers.push(market.configure({ ...told, ...other })); sizes();
      return answers;
    """
    assert run(script, [TOLD, other], imports={"market.js": "Market"}) == [True, False, 1, True, 0]
