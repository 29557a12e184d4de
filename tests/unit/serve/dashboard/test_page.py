"""The page: what it shows, and when it is drawn again."""

import pytest
from streamlit.testing.v1 import AppTest

from serve.dashboard.newest import LAG, LAKE, LIQUIDATIONS, TOPICS, UNREADABLE, look, moved
from serve.dashboard.remembered import Remembered
from tests.unit.serve.dashboard.stores import MINUTE, NOON, Stores


def _script(ask: object) -> None:
    from serve.dashboard.page import show  # noqa: PLC0415 (Streamlit runs the source of this function alone)

    show(ask, 3600)  # type: ignore[arg-type]


def page(stores: Stores) -> AppTest:
    app = AppTest.from_function(_script, kwargs={"ask": stores}, default_timeout=30)
    app.run()
    assert not app.exception
    return app


def texts(app: AppTest) -> str:
    return "\n".join(str(element.value) for element in (*app.markdown, *app.caption, *app.warning, *app.subheader))


def test_the_page_has_every_panel_and_the_key_figures() -> None:
    app = page(Stores())
    shown = texts(app)
    for title in (
        *("Liquidated notional per minute", "By symbol and side", "Largest", "Newest", "Candles of BTC"),
        *("Premium over the base price", "Total market cap (USD)", "Dominance of the largest coin", "Lag by topic"),
        *("Last batch of each table", "Rejected, newest first", "Late rows", "Gaps, newest first", "Reconcile score"),
        *("Topics", "Newest messages", "Price and sentiment of BTC", "Newest posts about BTC"),
    ):
        assert f"**{title}**" in shown, title
    assert {metric.label: metric.value for metric in app.metric} == {
        **{"Market cap": "$2.574T", "Dominance": "BTC 53.21%", "BTC base price": "6.386G TMN"},
        **{"Longs liquidated": "1.500k", "Shorts liquidated": "20", "Gaps": "1"},
    }
    assert "nothing was rejected" in shown


def test_tables_show_decimals_as_the_store_has_them() -> None:
    app = page(Stores())
    largest = next(table.value for table in app.dataframe if "average_price" in table.value)
    assert (largest["average_price"][0], largest["filled_quantity"][0]) == ("64310.6", "0.002961000000000001")


def test_a_store_that_is_down_takes_its_panels_alone() -> None:
    stores = Stores()
    stores.down = {"liquidations_newest", "liquidations_per_minute", "liquidation_totals", "liquidations_recent"}
    stores.down |= {"gaps_unfilled"}
    app = page(stores)
    assert [warning.value for warning in app.warning] == [
        f"{key}: the store is down" for key in ("liquidations_per_minute", "liquidation_totals", "liquidations_recent")
    ]
    figures = {metric.label: metric.value for metric in app.metric}
    assert (figures["Longs liquidated"], figures["Gaps"]) == ("-", "-")
    assert "cannot read: liquidations" in texts(app)
    assert "**Candles of BTC**" in texts(app)


def test_where_no_new_post_is_original_the_page_does_not_say_that_there_never_was_one() -> None:
    stores = Stores()
    stores.answers["posts_newest"] = []
    shown = texts(page(stores))
    assert "no such post about this coin on the two newest days that have posts" in shown
    assert "no post about this coin yet" not in shown


def test_what_is_chosen_is_asked() -> None:
    stores = Stores()
    app = page(stores)
    app.text_input[0].set_value(" ethusdt ")
    app.selectbox[0].set_value(3)
    app.selectbox[1].set_value("ETH")
    app.run()
    assert not app.exception
    assert ("liquidation_totals", {"hours": 3, "symbol": "ETHUSDT"}) in stores.asked
    assert (
        "candles",
        {"coin": "ETH", "hours": 3, "venue": "binance", "quote": "USDT", "interval": "10m"},
    ) in stores.asked


def test_a_page_that_is_drawn_again_asks_only_what_has_moved() -> None:
    stores = Stores()
    app = page(stores)
    assert stores.times("candles") == stores.times("liquidations_recent") == 1
    app.run()
    assert app.session_state["drawn"] == 2
    assert stores.times("candles") == stores.times("liquidations_recent") == 1
    stores.answers["liquidations_newest"][0]["liquidations"] = 4
    app.run()
    app.run()
    assert stores.times("liquidations_recent") == 2
    assert stores.times("candles") == 1


@pytest.mark.parametrize(
    ("query", "change", "store"),
    [
        ("liquidations_newest", {"kafka_time": NOON + 2 * MINUTE}, LIQUIDATIONS),
        ("lake_newest", {"published_at": NOON + MINUTE}, LAKE),
        ("last_batches", {"version": 5}, LAKE),
        ("topics", {"next_offset": 6}, TOPICS),
        ("lag", {"lag": 0}, LAG),
        ("reconcile_score", {"score": "0.9"}, LAKE),
    ],
)
def test_a_store_moves_with_its_newest_alone(query: str, change: dict[str, object], store: str) -> None:
    stores = Stores()
    before = look(stores)
    assert moved(before, look(stores)) == []
    stores.answers[query] = [{**row, **change} for row in stores.answers[query] or [{}]]
    assert moved(before, look(stores)) == [store]


def test_a_reader_that_catches_up_is_seen_while_nothing_new_comes() -> None:
    stores = Stores()
    app = page(stores)
    stores.answers["lag"] = [{**stores.answers["lag"][0], "lag": 0}]
    app.run()
    assert stores.times("lag") > 3  # two looks, the panel, and the panel again
    assert stores.times("messages") == 1


def test_a_table_that_is_not_there_yet_does_not_hide_the_others() -> None:
    stores = Stores()
    stores.absent = {"reconcile_score"}
    before = look(stores)
    assert before[LAKE] != UNREADABLE
    stores.absent = set()
    assert moved(before, look(stores)) == [LAKE]


def test_a_store_that_goes_down_and_comes_back_has_moved_both_times() -> None:
    stores = Stores()
    before = look(stores)
    stores.down = {"topics"}
    lost = look(stores)
    assert lost[TOPICS] == UNREADABLE
    assert moved(before, lost) == [TOPICS]
    stores.down = set()
    assert moved(lost, look(stores)) == [TOPICS]


def test_what_failed_is_asked_again() -> None:
    stores = Stores()
    remembered = Remembered(stores)
    remembered.note(look(stores))
    stores.down = {"candles"}
    for _ in range(2):
        with pytest.raises(Exception, match="down"):
            remembered.of(LAKE)("candles", coin="BTC")
    stores.down = set()
    assert remembered.of(LAKE)("candles", coin="BTC") == stores.answers["candles"]
    assert stores.times("candles") == 3
