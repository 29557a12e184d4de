"""The page's connection: who is heard, what is subscribed to, how long is waited; time passes when it is told to."""

import random
from typing import Any

from tests.unit.serve.live_page.node import run

Step = list[Any]
Event = dict[str, Any]

BEAT_MS = 5000
HELLO = {"type": "hello", "heartbeat_ms": BEAT_MS}
BEAT = {"type": "heartbeat"}
POINTS = {"type": "points", "points": []}

START, HEAR_HELLO, HEAR_POINTS, CLOSE = ["start"], ["hear", HELLO], ["hear", POINTS], ["close"]

WORLD = """
  class World {
    now = 0;
    log = [];
    sockets = [];
    timers = [];
    symbols = { BTCUSDT: null };

    constructor(Connection, pauses) {
      this.connection = new Connection({
        open: () => this.#open(),
        after: (duration, callback) => this.#after(duration, callback),
        now: () => this.now,
        pauses: () => pauses[Symbol.iterator](),
        wanted: () => this.symbols,
        told: (message) => this.note("told", { message }),
        changed: () => this.note("state", { state: this.connection.state, retryAt: this.connection.retryAt }),
      });
    }

    note(what, fields) {
      this.log.push({ what, at: this.now, ...fields });
    }

    // As in a browser, sending before it is open is an error. It answers no closing handshake, as a dead peer's does.
    #open() {
      const index = this.sockets.length;
      const socket = {
        readyState: 0,
        send: (text) => {
          if (socket.readyState === 0) throw new Error("InvalidStateError");
          this.note("sent", { socket: index, message: JSON.parse(text) });
        },
        close: () => {
          socket.readyState = 2;
          this.note("closed", { socket: index });
        },
      };
      this.sockets.push(socket);
      this.note("opened", { socket: index });
      return socket;
    }

    #after(duration, callback) {
      const timer = { due: this.now + duration, callback };
      this.timers.push(timer);
      return () => (this.timers = this.timers.filter((other) => other !== timer));
    }

    start() {
      this.connection.start();
    }

    wake() {
      this.connection.wake();
    }

    subscribe() {
      this.connection.subscribe();
    }

    send(message) {
      this.connection.send(message);
    }

    want(symbols) {
      this.symbols = symbols;
    }

    wait(duration) {
      const until = this.now + duration;
      for (;;) {
        const [next] = this.timers.filter(({ due }) => due <= until).sort((one, other) => one.due - other.due);
        if (next === undefined) break;
        this.timers = this.timers.filter((timer) => timer !== next);
        this.now = Math.max(this.now, next.due);
        next.callback();
      }
      this.now = until;
    }

    // The computer sleeps: time passes, and nothing runs.
    sleep(duration) {
      this.now += duration;
    }

    // Of the newest socket, or of an older one.
    hear(message, index = this.sockets.length - 1) {
      const socket = this.sockets[index];
      socket.readyState ||= 1;
      socket.onmessage({ data: JSON.stringify(message) });
    }

    close(index = this.sockets.length - 1) {
      this.sockets[index].readyState = 3;
      this.sockets[index].onclose();
    }

    look() {
      const open = this.sockets.filter(({ readyState }) => readyState <= 1).length;
      const { state, retryAt, reason } = this.connection;
      this.note("seen", { state, retryAt, reason, open, timers: this.timers.length });
    }
  }
"""

PAUSES = [250, 500, 1000, 2000, *[2500] * 100]


def logs(scripts: list[list[Step]]) -> list[list[Event]]:
    """Do the steps of each script in a world of its own; return what happened there."""
    script = f"""
      {WORLD}
      return given.map((steps) => {{
        const world = new World(Connection, {PAUSES});
        for (const [step, ...values] of steps) world[step](...values);
        return world.log;
      }});
    """
    return run(script, scripts, imports={"connection.js": "Connection"})


def log_of(*steps: Step) -> list[Event]:
    return logs([list(steps)])[0]


def only(log: list[Event], what: str) -> list[Event]:
    return [event for event in log if event["what"] == what]


def times(log: list[Event], what: str) -> list[int]:
    return [event["at"] for event in only(log, what)]


def states(log: list[Event]) -> list[str]:
    return [event["state"] for event in only(log, "state")]


def test_it_is_live_and_subscribes_when_the_server_says_hello() -> None:
    log = log_of(START, ["wait", 30], HEAR_HELLO)
    assert states(log) == ["connecting", "live"]
    [told, sent] = [event for event in log if event["what"] in ("told", "sent")]
    assert told["message"] == HELLO  # first: what is wanted depends on it
    assert sent["message"] == {"type": "subscribe", "symbols": {"BTCUSDT": None}}


def test_after_a_reconnect_it_subscribes_from_the_newest_sequence() -> None:
    log = log_of(START, HEAR_HELLO, ["want", {"BTCUSDT": 41233}], CLOSE, ["wait", 250], HEAR_HELLO)
    sent = [(event["socket"], event["message"]["symbols"]) for event in only(log, "sent")]
    assert sent == [(0, {"BTCUSDT": None}), (1, {"BTCUSDT": 41233})]


def test_another_symbol_is_subscribed_to_at_once_or_when_it_is_live() -> None:
    log = log_of(
        START, ["want", {"A": 1}], ["subscribe"], HEAR_HELLO, ["want", {"B": 2}], ["subscribe"], CLOSE, ["subscribe"]
    )
    assert [event["message"]["symbols"] for event in only(log, "sent")] == [{"A": 1}, {"B": 2}]


def test_a_server_that_is_silent_for_three_heartbeats_is_given_up() -> None:
    log = log_of(START, HEAR_HELLO, ["wait", 3 * BEAT_MS - 1], ["look"], ["wait", 1], ["look"])
    assert [(seen["state"], seen["open"]) for seen in only(log, "seen")] == [("live", 1), ("reconnecting", 0)]
    assert times(log, "closed") == [15_000]


def test_any_message_breaks_the_silence() -> None:
    log = log_of(START, HEAR_HELLO, ["wait", 14_999], ["hear", BEAT], ["wait", 14_999], HEAR_POINTS, ["wait", 15_000])
    assert times(log, "closed") == [14_999 + 14_999 + 15_000]


def test_a_server_that_does_not_say_hello_is_given_up_after_ten_seconds() -> None:
    log = log_of(START, ["wait", 9999], ["look"], ["wait", 1])
    assert [seen["state"] for seen in only(log, "seen")] == ["connecting"]
    assert times(log, "closed") == [10_000]


def test_the_patience_of_the_last_server_is_not_that_with_the_next() -> None:
    slow = ["hear", {"type": "hello", "heartbeat_ms": 60_000}]
    assert times(log_of(START, slow, CLOSE, ["wait", 250], ["wait", 10_000]), "closed") == [0, 10_250]


def test_each_refusal_makes_it_wait_longer_and_says_until_when() -> None:
    log = log_of(START, CLOSE, ["wait", 250], CLOSE, ["wait", 500], CLOSE, ["wait", 999], ["look"], ["wait", 1])
    assert times(log, "opened") == [0, 250, 750, 1750]
    assert [event["retryAt"] for event in only(log, "state")] == [None, 250, None, 750, None, 1750, None]


def test_a_hello_alone_does_not_shorten_the_wait_and_data_do() -> None:
    refused = [HEAR_HELLO, CLOSE, ["wait", 2500]]
    log = log_of(START, *refused, *refused, *refused, HEAR_HELLO, HEAR_POINTS, CLOSE)
    waits = [event["retryAt"] - event["at"] for event in only(log, "state") if event["retryAt"] is not None]
    assert waits == [250, 500, 1000, 250]


def test_an_error_does_not_shorten_the_wait_and_its_reason_stays_until_there_are_data() -> None:
    refused = [HEAR_HELLO, ["hear", {"type": "error", "reason": "no such symbol"}], CLOSE, ["look"], ["wait", 500]]
    log = log_of(START, *refused, *refused, HEAR_HELLO, ["look"], ["hear", BEAT], ["look"])
    assert [seen["reason"] for seen in only(log, "seen")] == ["no such symbol"] * 3 + [None]
    assert [event["retryAt"] - event["at"] for event in only(log, "state") if event["state"] == "reconnecting"] == [
        250,
        500,
    ]
    assert "error" not in {event["message"]["type"] for event in only(log, "told")}


def test_an_old_socket_is_not_heard() -> None:
    early = log_of(START, HEAR_HELLO, CLOSE, ["hear", POINTS, 0], ["look"])
    late = log_of(
        START, HEAR_HELLO, CLOSE, ["wait", 250], ["hear", POINTS, 0], ["close", 0], ["hear", HELLO, 0], ["look"]
    )
    for log, state in ((early, "reconnecting"), (late, "connecting")):
        assert [event["message"] for event in only(log, "told")] == [HELLO]
        assert only(log, "seen")[0]["state"] == state
    assert times(late, "opened") == [0, 250]


def test_an_old_socket_does_not_break_the_silence_of_the_new() -> None:
    log = log_of(START, HEAR_HELLO, CLOSE, ["wait", 250], HEAR_HELLO, ["wait", 9000], ["hear", BEAT, 0], ["wait", 6000])
    assert times(log, "closed") == [0, 15_250]


def test_woken_it_does_not_wait_any_longer_and_connects_once() -> None:
    log = log_of(START, CLOSE, ["wait", 100], ["wake"], ["wake"], ["wait", 5000])
    assert times(log, "opened") == [0, 100]


def test_woken_while_the_server_speaks_it_stays() -> None:
    log = log_of(START, HEAR_HELLO, ["sleep", 14_999], ["wake"], ["look"])
    assert only(log, "seen")[0]["state"] == "live"


def test_woken_after_a_sleep_it_does_not_trust_the_old_connection() -> None:
    log = log_of(START, HEAR_HELLO, ["sleep", 3_600_000], ["wake"], ["look"], ["wait", 250])
    assert only(log, "seen")[0]["state"] == "reconnecting"
    assert times(log, "opened") == [0, 3_600_250]


def test_what_is_sent_without_a_connection_is_dropped() -> None:
    sends = [["send", {"n": n}] for n in range(4)]
    log = log_of(START, sends[0], HEAR_HELLO, sends[1], CLOSE, sends[2], ["wait", 250], sends[3])
    assert [event["message"] for event in only(log, "sent")[1:]] == [{"n": 1}]


def test_whatever_happens_one_socket_is_open_or_a_time_to_connect_is_set() -> None:
    chance = random.Random(13)
    kinds = [HEAR_HELLO, HEAR_POINTS, ["hear", BEAT], ["hear", POINTS, 0], ["hear", {"type": "error", "reason": "x"}]]
    kinds += [CLOSE, ["close", 0], ["wake"], ["subscribe"], ["sleep", 20_000]]
    scripts = []
    for _ in range(300):
        steps = [chance.choice([*kinds, ["wait", chance.choice([1, 250, 3000, 15_000])]]) for _ in range(30)]
        scripts.append([START, *(each for step in steps for each in (step, ["look"]))])
    for log in logs(scripts):
        for seen in only(log, "seen"):
            waits = seen["state"] == "reconnecting"
            assert (seen["open"], seen["timers"]) == (0 if waits else 1, 1)
            assert (seen["retryAt"] is not None) == waits
