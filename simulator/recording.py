"""Recordings: a folder with one `<venue>.jsonl` (or `.jsonl.gz`) a venue, one exchange of wire traffic a line."""

import bisect
import datetime as dt
import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from contracts.errors import NoDataError, SettingsError
from simulator.wire import JSON, Answer, Content, Request

SUFFIXES = (".jsonl", ".jsonl.gz")
_KEPT_HEADERS = ("retry-after", "x-")


class RecordedRequest(msgspec.Struct, frozen=True):
    """What was asked; headers are never recorded, for keys travel there."""

    method: str
    path: str
    query: dict[str, str] = msgspec.field(default_factory=dict)


class RecordedResponse(msgspec.Struct, frozen=True):
    """What came back; the body is JSON where the venue sent JSON, else a JSON string."""

    status: int
    headers: dict[str, str]
    body: msgspec.Raw


class Exchange(msgspec.Struct, frozen=True):
    """One line of a recording."""

    at: dt.datetime
    request: RecordedRequest
    response: RecordedResponse


class Pushed(msgspec.Struct, frozen=True):
    """One line of a recording that is a frame of a WebSocket stream."""

    at: dt.datetime
    stream: str
    frame: msgspec.Raw


class _Line(msgspec.Struct, frozen=True):
    at: dt.datetime
    request: RecordedRequest | None = None
    response: RecordedResponse | None = None
    stream: str | None = None
    frame: msgspec.Raw = msgspec.Raw()


class Played(msgspec.Struct, frozen=True):
    """One recorded answer, ready to be served from `at` on."""

    at: dt.datetime
    request: RecordedRequest
    answer: Answer


Recorded = Played | Pushed


def raw_body(text: bytes) -> msgspec.Raw:
    """Turn a received body into what a line holds: JSON on one line, every number as it was, or a JSON string."""
    try:
        return msgspec.Raw(msgspec.json.format(text, indent=-1))
    except msgspec.DecodeError:
        return msgspec.Raw(msgspec.json.encode(text.decode("utf-8", errors="replace")))


def write_recording(path: Path, exchanges: Iterable[Exchange | Pushed]) -> int:
    """Write a compressed recording of one venue and return the number of its lines."""
    count = 0
    with gzip.open(path, "wb", compresslevel=3) as file:
        for exchange in exchanges:
            file.write(msgspec.json.encode(exchange) + b"\n")
            count += 1
    return count


def read_folder(folder: Path, venues: Iterable[str]) -> dict[str, list[Recorded]]:
    """Read a recording: the venues it holds, each with its answers in time order.

    Raises:
        NoDataError: the folder is not there, or holds no recording.
        SettingsError: a file names an unknown venue, is there twice, or has a malformed line.
    """
    known = tuple(venues)
    expected = ", ".join(f"{venue}.jsonl[.gz]" for venue in known)
    if not folder.is_dir():
        raise NoDataError(f"recording: expected a folder with {expected}, found none at {folder}")
    found: dict[str, list[Recorded]] = {}
    for path in sorted(folder.iterdir()):
        if not path.name.endswith(SUFFIXES):
            continue
        venue = path.name.partition(".jsonl")[0]
        if venue not in known:
            raise SettingsError(f"recording: expected files {expected}, found {path}")
        if venue in found:
            raise SettingsError(f"recording: expected one file for {venue}, found both kinds in {folder}")
        found[venue] = read_file(path)
    if not found:
        raise NoDataError(f"recording: expected a folder with {expected}, found nothing of it in {folder}")
    return found


def read_file(path: Path) -> list[Recorded]:
    """Read one venue's file; identical bodies are held once.

    Raises:
        SettingsError: a line is malformed or earlier than the one before it.
        NoDataError: the file has no line.
    """
    bodies: dict[bytes, bytes] = {}
    decoder = msgspec.json.Decoder(_Line)
    played: list[Recorded] = []
    for number, line in enumerate(_lines(path), start=1):
        try:
            found = decoder.decode(line)
        except msgspec.MsgspecError as error:
            raise SettingsError(
                f"{path} line {number}: expected one exchange of wire traffic, found: {error}"
            ) from error
        if found.at.tzinfo is None:
            raise SettingsError(f"{path} line {number}: expected a time with a zone, found {found.at.isoformat()}")
        if played and found.at < played[-1].at:
            raise SettingsError(f"{path} line {number}: expected lines in time order, found {found.at.isoformat()}")
        if found.request is not None and found.response is not None:
            body = _sent(found.response.body)
            answer = _answer(found.response, bodies.setdefault(body, body))
            played.append(Played(found.at, found.request, answer))
        elif found.stream is not None and bytes(found.frame):
            played.append(Pushed(found.at, found.stream, found.frame))
        else:
            raise SettingsError(
                f"{path} line {number}: expected one exchange of wire traffic (request and response, or stream and"
                " frame), found neither"
            )
    if not played:
        raise NoDataError(f"{path}: expected exchanges of wire traffic, found an empty file")
    return played


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            yield from (line for line in file if line.strip())
    except (OSError, EOFError, zlib.error) as error:
        raise SettingsError(f"{path}: expected a readable recording, found: {error}") from error


def _sent(body: msgspec.Raw) -> bytes:
    text = bytes(body)
    return msgspec.json.decode(text, type=str).encode() if text.startswith(b'"') else text


def _answer(response: RecordedResponse, body: bytes) -> Answer:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(
        body,
        status=response.status,
        content_type=headers.get("content-type", JSON),
        headers={name: value for name, value in headers.items() if name.startswith(_KEPT_HEADERS)},
    )


def shifted(
    lines: list[Recorded], by: dt.timedelta, shift_body: Callable[[bytes, dt.timedelta], bytes]
) -> list[Recorded]:
    """Move a recording in time: when it was answered, and the times its bodies carry."""
    bodies: dict[bytes, bytes] = {}

    def moved(body: bytes) -> bytes:
        if body not in bodies:
            bodies[body] = shift_body(body, by)
        return bodies[body]

    return [
        Pushed(one.at + by, one.stream, msgspec.Raw(shift_body(bytes(one.frame), by)))
        if isinstance(one, Pushed)
        else msgspec.structs.replace(
            one, at=one.at + by, answer=msgspec.structs.replace(one.answer, body=moved(one.answer.body))
        )
        for one in lines
    ]


def content_of(lines: list[Recorded], resources: frozenset[str]) -> Content:
    """Serve a recording: for a path, the newest answer not after the clock, None before the first.

    `resources` are the query parameters that choose what is asked for: those must be as recorded, others may differ.
    """
    series: dict[tuple[str, frozenset[tuple[str, str]]], list[Played]] = {}
    for one in (line for line in lines if isinstance(line, Played)):
        series.setdefault((one.request.path, _chosen(one.request.query, resources)), []).append(one)

    def content(request: Request, at: dt.datetime) -> Answer | None:
        answers = series.get((request.path, _chosen(request.query, resources)), [])
        index = bisect.bisect_right(answers, at, key=lambda one: one.at)
        return answers[index - 1].answer if index else None

    return content


def _chosen(query: Mapping[str, str], resources: frozenset[str]) -> frozenset[tuple[str, str]]:
    return frozenset((name, value) for name, value in query.items() if name in resources)
