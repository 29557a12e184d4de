"""When a sample counts as painted: after the chart has drawn it, and not before."""

import pytest

from tests.unit.serve.live_page.node import run

Log = list[list[object]]

# A browser whose frames a test makes. What asks for a frame while one is made, is in the next one; what is to run after
# a frame, runs when it is painted. The chart asks for one frame at a time, when it is woken or is given something to
# draw, and draws `late` frames after the one it asked for.
BROWSER = """
  class Browser {
    log = [];
    drawings = 0;
    samples = [];
    late = 0;
    #asked = [];
    #after = [];
    #chartAsked = false;

    parts = {
      requestFrame: (callback) => {
        this.log.push(["asked", this.#asked.length]);
        this.#asked.push(callback);
      },
      afterFrame: (callback) => this.#after.push(callback),
      wake: () => {
        this.log.push(["woken", this.#asked.length]);
        this.chartAsks();
      },
      drawings: () => this.drawings,
      draw: () => {
        const samples = this.samples;
        this.samples = [];
        this.log.push(["ours", samples]);
        this.chartAsks();
        return samples;
      },
      painted: (samples) => this.log.push(["painted", samples]),
    };

    chartAsks() {
      if (this.#chartAsked) return;
      this.#chartAsked = true;
      this.#chartWaits(this.late);
    }

    #chartWaits(late) {
      this.#asked.push(() => (late > 0 ? this.#chartWaits(late - 1) : this.#chartDraws()));
    }

    #chartDraws() {
      this.#chartAsked = false;
      this.drawings += 1;
      this.log.push(["chart"]);
    }

    frame() {
      const asked = this.#asked.splice(0);
      for (const callback of asked) callback();
      this.log.push(["frame"]);
      const after = this.#after.splice(0);
      for (const callback of after) callback();
    }
  }
"""


def log_of(steps: str) -> Log:
    """Do steps with a `browser` and its `frames`; return what happened, in order."""
    script = f"{BROWSER}\nconst browser = new Browser();\nconst frames = new Frames(browser.parts);\n{steps}"
    return run(f"{script}\nreturn browser.log;", imports={"frames.js": "Frames"})


def happened(log: Log, *kinds: str) -> Log:
    return [entry for entry in log if entry[0] in kinds]


def test_ours_is_drawn_before_the_chart_in_one_frame_and_then_stamped() -> None:
    log = log_of("browser.samples = [1, 2]; frames.ask(); browser.frame();")
    asked = [["asked", 0], ["woken", 1], ["asked", 0]]  # ours, the chart, and ours for the next frame
    assert log == [*asked, ["ours", [1, 2]], ["chart"], ["frame"], ["painted", [1, 2]]]


@pytest.mark.parametrize(("late", "painted_after"), [(0, 1), (1, 2), (2, 3)])
def test_a_sample_is_not_stamped_before_the_chart_has_drawn(late: int, painted_after: int) -> None:
    steps = f"browser.late = {late}; browser.samples = [7]; frames.ask();"
    log = log_of(steps + "for (let n = 0; n < 6; n += 1) browser.frame();")
    stamp = log.index(["painted", [7]])
    assert log.index(["chart"]) < stamp
    assert log[:stamp].count(["frame"]) == painted_after
    assert log.count(["painted", [7]]) == 1


def test_what_the_chart_never_draws_is_given_up_after_three_frames() -> None:
    log = log_of(
        "browser.late = 99; browser.samples = [7]; frames.ask(); for (let n = 0; n < 9; n += 1) browser.frame();"
    )
    assert happened(log, "painted") == []
    assert len(happened(log, "asked")) == 4  # ours, ours once more, and the two in which the stamp was tried again


def test_a_drawing_from_before_ours_does_not_count() -> None:
    """The chart may have asked for this frame first: what it drew then was without our points."""
    steps = """
      browser.samples = [7];
      browser.chartAsks();
      frames.ask();
      browser.frame();
      browser.frame();
    """
    log = happened(log_of(steps), "ours", "chart", "frame", "painted")
    assert log == [["chart"], ["ours", [7]], ["frame"], ["chart"], ["frame"], ["painted", [7]]]


def test_a_chart_that_was_first_once_is_not_first_again_however_much_comes() -> None:
    """A pointer over the chart makes it ask before we do; each point would then be painted a frame late."""
    steps = """
      browser.chartAsks();
      for (const sample of [1, 2, 3]) {
        browser.samples = [sample];
        frames.ask();
        browser.frame();
      }
    """
    log = happened(log_of(steps), "ours", "chart", "frame", "painted")
    first = [["chart"], ["ours", [1]], ["frame"]]
    later = [[["ours", [n]], ["chart"], ["frame"]] for n in (2, 3)]
    assert log == [*first, *later[0], ["painted", [2]], ["painted", [1]], *later[1], ["painted", [3]]]


def test_who_asks_while_the_chart_draws_is_drawn_in_the_next_frame() -> None:
    steps = """
      frames.ask();
      browser.parts.requestFrame(() => frames.ask());
      browser.frame();
      browser.samples = [5];
      browser.frame();
    """
    log = happened(log_of(steps), "ours", "chart", "frame", "painted")
    assert log[-4:] == [["ours", [5]], ["chart"], ["frame"], ["painted", [5]]]


def test_asking_often_draws_once_a_frame() -> None:
    log = log_of(
        "for (let n = 0; n < 5; n += 1) frames.ask(); browser.frame(); browser.frame(); frames.ask(); browser.frame();"
    )
    assert len(happened(log, "ours")) == 2
    assert len(happened(log, "chart")) == 2


def test_who_asks_while_ours_draws_is_drawn_in_the_next_frame() -> None:
    steps = """
      const { draw } = browser.parts;
      let asks = 1;
      browser.parts.draw = () => {
        if (asks-- > 0) frames.ask();
        return draw();
      };
      frames.ask();
      browser.frame();
      browser.samples = [8];
    """
    drawn = [["ours", []], ["ours", [8]], ["painted", [8]]]
    with_points = "frames.ask(); browser.frame();"  # points never come without an ask of their own
    assert happened(log_of(steps + with_points), "ours", "painted") == drawn
    # Without one the chart hears of it only as ours draws, and is in the frame after that.
    assert happened(log_of(f"{steps} browser.frame();"), "ours", "painted") == drawn[:2]
    assert happened(log_of(f"{steps} browser.frame(); browser.frame();"), "ours", "painted") == drawn


def test_where_nothing_is_timed_nothing_is_stamped() -> None:
    log = log_of("frames.ask(); browser.frame(); browser.frame(); browser.frame();")
    assert happened(log, "painted") == []
    assert len(happened(log, "asked")) == 2  # and no more, once nothing comes


def test_samples_of_two_frames_are_stamped_each_with_its_own() -> None:
    steps = "for (const samples of [[1], [2]]) { browser.samples = samples; frames.ask(); browser.frame(); }"
    [one, two] = [[["ours", [n]], ["frame"], ["painted", [n]]] for n in (1, 2)]
    assert happened(log_of(steps), "ours", "frame", "painted") == one + two


def test_after_a_frame_is_a_task_of_its_own_and_tasks_keep_their_order() -> None:
    script = """
      const after = afterFrame();
      const log = [];
      const done = new Promise((resolve) => {
        after(() => log.push("first"));
        after(() => {
          log.push("second");
          after(() => resolve(log.push("third")));
        });
      });
      log.push("still in the frame");
      Promise.resolve().then(() => log.push("its promises"));
      await done;
      return log;
    """
    order = ["still in the frame", "its promises", "first", "second", "third"]
    assert run(script, imports={"frames.js": "afterFrame"}) == order
