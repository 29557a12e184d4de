"""Tables in an HDF5 file: what goes in comes out, by pandas alone, however long a text is."""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import ExportError
from serve.export import hdf5_tables
from serve.export.layout import Table
from serve.export.replaced_file import rewritten

NOTES = Table("notes", {"at": "time", "note": "text", "size": "int", "of": "text"})
ODD = ["", "nan", "NaN", "None", "a\0b", "\0a", "é", "😀" * 3, "\ud83d", "\udc00x", " ", "x\n\t", "سلام", "\U0001d518"]


def frame(notes: list[str | None]) -> pd.DataFrame:
    at = pd.to_datetime(["2024-03-19T12:00:00.123Z"] * len(notes), utc=True).astype("datetime64[ns, UTC]")
    return pd.DataFrame({"at": at, "note": notes, "size": range(len(notes)), "of": ["a test"] * len(notes)})


def append(path: Path, notes: list[str | None]) -> None:
    with rewritten(path, [NOTES], os.replace) as store:
        hdf5_tables.append(store, NOTES, frame(notes))


def notes_in(path: Path) -> list[str | None]:
    found: pd.DataFrame = pd.read_hdf(path, "notes")
    assert list(found.index) == list(range(len(found)))
    return [None if pd.isna(note) else str(note) for note in found["note"]]


def width(path: Path) -> int:
    with pd.HDFStore(path, "r") as store:
        return hdf5_tables.widths(store, NOTES)["note"]


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "notes.h5"
    assert [left.name for left in tmp_path.iterdir()] == ["notes.h5"]


def test_odd_texts_come_back_as_they_were(path: Path) -> None:
    append(path, ODD)
    append(path, [None, *reversed(ODD)])
    assert notes_in(path) == [*ODD, None, *reversed(ODD)]


@settings(max_examples=20, deadline=None)
@given(texts=st.lists(st.lists(st.none() | st.text(max_size=60), max_size=5), max_size=4))
def test_any_texts_in_any_batches_come_back_but_for_nuls_at_their_end(
    texts: list[list[str | None]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("texts") / "notes.h5"
    append(path, [])
    for batch in texts:
        append(path, batch)
    assert notes_in(path) == [text if text is None else text.rstrip("\0") for batch in texts for text in batch]


def test_a_longer_text_widens_its_column_and_cuts_nothing(path: Path) -> None:
    append(path, ["short", "é" * 5])
    before = width(path)
    append(path, ["é" * 5000])
    assert before < 10_000 <= width(path)
    append(path, ["short again"])
    assert notes_in(path) == ["short", "é" * 5, "é" * 5000, "short again"]


def test_rows_of_more_bytes_than_are_written_at_once_are_all_there(path: Path) -> None:
    texts: list[str | None] = [f"{number} " + "x" * 100_000 for number in range(400)]
    append(path, texts[:1])
    append(path, texts[1:])
    append(path, ["y" * 160_000])
    assert notes_in(path) == [*texts, "y" * 160_000]
    assert path.stat().st_size < 4_000_000


def test_an_empty_table_is_there_with_its_types(path: Path) -> None:
    append(path, [])
    found: pd.DataFrame = pd.read_hdf(path, "notes")
    assert found.empty
    assert {name: str(kind) for name, kind in found.dtypes.items()} == {
        **{"at": "datetime64[ns, UTC]", "note": "object"},
        **{"size": "int64", "of": "object"},
    }


def test_room_of_rows_that_were_replaced_is_given_back(path: Path) -> None:
    drawn, kept = random.Random(1), Table("kept", NOTES.columns)
    sizes = []
    for _ in range(40):
        rows = frame([drawn.randbytes(1000).hex() for _ in range(drawn.choice([3, 300, 700]))])
        with rewritten(path, [kept, NOTES], os.replace) as store:
            hdf5_tables.replace(store, NOTES, rows)
            hdf5_tables.append(store, kept, rows[:3])
        sizes.append(path.stat().st_size)
    assert notes_in(path) == list(rows["note"])
    assert len(pd.read_hdf(path, "kept")) == 120
    # Packed they are 1 MB; each turn may leave as much behind, and without packing 4 MB come together.
    assert max(sizes) < 3_300_000


def test_a_block_that_fails_leaves_the_file_as_it_was(path: Path) -> None:
    append(path, ["there"])
    before = path.read_bytes()
    with pytest.raises(RuntimeError), rewritten(path, [NOTES], os.replace) as store:
        hdf5_tables.append(store, NOTES, frame(["more"]))
        raise RuntimeError
    assert path.read_bytes() == before


def test_a_folder_that_is_gone_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"expected to write .*gone/notes.h5"):
        append(tmp_path / "gone" / "notes.h5", ["x"])
