"""Posts on the wire: one type of record, one stream a coin."""

import datetime as dt
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import RecordError
from contracts.records import Post, decode, encode
from contracts.streams import BITCOIN, ETHEREUM, STREAMS, WALLEX, key_of, stream_of, symbol_of
from contracts.tables import BRONZE_BITCOIN, BRONZE_ETHEREUM
from ingest.sink import route
from tests.unit.ingest.fakes import NOON, rejected, ticker


def post(**changes: object) -> Post:
    values: dict[str, object] = {
        **{"venue": "x", "event_time": NOON, "ingest_time": NOON, "coin": "bitcoin", "post_id": "1458358787786555393"},
        **{"text": "to the moon", "found_by": "bitcoin lang:en", "raw": "{}"},
    }
    return Post(**{**values, **changes})  # type: ignore[arg-type]


counts = st.none() | st.integers(min_value=0, max_value=2**62)
moments = st.datetimes(min_value=dt.datetime(2006, 3, 21), max_value=dt.datetime(2100, 1, 1)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=dt.UTC)
)


@given(text=st.text(), raw=st.text(), lang=st.none() | st.text(), likes=counts, followers=counts, moment=moments)
def test_decoding_undoes_encoding(
    text: str, raw: str, lang: str | None, likes: int | None, followers: int | None, moment: dt.datetime
) -> None:
    record = post(text=text, raw=raw, lang=lang, likes=likes, followers=followers, event_time=moment)
    assert decode(encode(record), Post) == record


def test_an_id_is_a_text_on_the_wire_and_what_is_not_told_is_null() -> None:
    wire = json.loads(encode(post()))
    assert wire["post_id"] == "1458358787786555393"
    assert [wire[name] for name in ("lang", "author_id", "likes", "reposts", "replies", "quotes", "followers")] == (
        [None] * 7
    )


def test_the_coin_of_a_post_says_its_stream_and_its_id_the_partition() -> None:
    assert route([post(), post(coin="ethereum"), ticker(NOON), post(post_id="2")]) == {
        BITCOIN: [post(), post(post_id="2")],
        ETHEREUM: [post(coin="ethereum")],
        WALLEX: [ticker(NOON)],
    }
    assert key_of(BITCOIN, post()) == symbol_of(BITCOIN, post()) == b"1458358787786555393"
    assert (BRONZE_BITCOIN.name, BRONZE_ETHEREUM.name) == ("bitcoin", "ethereum")


def test_a_post_of_a_coin_without_a_topic_is_refused_by_name() -> None:
    with pytest.raises(RecordError) as caught:
        stream_of(post(coin="dogecoin"))
    assert str(caught.value) == (
        "expected a record of a stream, found Post of dogecoin (posts are of bitcoin, ethereum)"
    )
    assert stream_of(rejected(NOON)).topic == "ingest_rejected"


def test_no_record_is_carried_by_two_streams() -> None:
    alone = [stream.record for stream in STREAMS if stream.only is None]
    assert len(set(alone)) == len(alone)
    shared = [(stream.record, stream.only) for stream in STREAMS if stream.only is not None]
    assert len(set(shared)) == len(shared)
    assert not {record for record, _ in shared} & set(alone)
