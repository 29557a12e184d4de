import { written } from "./decimals.js";
import { LatencyPanel } from "./latency_panel.js";
import { noticeFor } from "./notice.js";
import { spoken, statusOf } from "./status.js";

const MOST_MS_SHOWN = 10_000;

// Everything on the page that is text: prices, state, ages, latencies. Text is only ever set as text.
export class Readout {
  #element;
  #latency;
  #pointed = null;
  #widths = new Map();

  // element(id) -> the element of the page.
  constructor(element) {
    this.#element = element;
    this.#latency = new LatencyPanel({
      bar: element("parts"),
      body: element("stages"),
      count: element("timed-count"),
      total: { last: element("total-last"), p50: element("total-p50"), p99: element("total-p99") },
    });
  }

  nameMean(duration) {
    this.#write("mean-name", `Mean of ${duration / 1000} s`);
  }

  // Another symbol has numbers of other lengths.
  restart() {
    this.#widths.clear();
  }

  // The legend tells of the window that ends here, ms; null: of the newest.
  pointAt(end) {
    this.#pointed = end;
  }

  showPrices(points, line, digits) {
    const newest = points.at(-1) ?? null;
    const pointed = points.find(({ end }) => end === this.#pointed) ?? newest;
    this.#write("price", written(newest?.last ?? null, digits));
    for (const field of ["last", "mean", "vwap"]) {
      this.#writeSteadily(`legend-${field}`, written(pointed?.[field] ?? null, digits));
    }
    const at = line.find(({ time }) => time === pointed?.end) ?? line.at(-1);
    this.#writeSteadily("legend-forecast", at === undefined ? "" : withBand(at, digits));
    this.#showChange(points);
  }

  showState(now) {
    const { kind, word, detail } = statusOf(now);
    this.#element("state").dataset.kind = kind;
    this.#write("state-word", word);
    this.#write("state-detail", detail);
    this.#showAge(now.age);
    this.#element("clock-note").hidden = now.serverAhead === 0;
    const off = spoken(Math.abs(now.serverAhead));
    this.#write("clock-note", `This device's clock is ${off} ${now.serverAhead > 0 ? "behind" : "ahead of"} the server's.`);
    this.#showNotice(noticeFor(now));
  }

  showLatency(summary) {
    this.#latency.show(summary);
  }

  // Offer durations to show, {duration in ms, rows}; one of them, so many rows, is chosen.
  fillRanges(choices, chosen, choose) {
    const labels = choices.map(({ duration, rows }) => {
      const input = document.createElement("input");
      input.type = "radio";
      input.name = "range";
      input.value = String(rows);
      input.checked = rows === chosen;
      input.addEventListener("change", () => choose(rows));
      const label = document.createElement("label");
      label.append(input, spoken(duration));
      return label;
    });
    const [legend] = this.#element("ranges").children;
    this.#element("ranges").replaceChildren(legend, ...labels);
  }

  // Mark the duration that is in sight, if it is one of those offered.
  markRange(rows) {
    for (const input of this.#element("ranges").querySelectorAll("input")) {
      input.checked = Math.abs(Number(input.value) - rows) <= 1;
    }
  }

  #showChange(points) {
    const [first, last] = [points.at(0), points.at(-1)].map((point) => Number(point?.last ?? NaN));
    const share = (last / first - 1) * 100;
    const block = this.#element("change");
    block.dataset.way = share > 0 ? "up" : share < 0 ? "down" : "none";
    const over = points.length > 1 ? ` in ${spoken(points.at(-1).end - points[0].end)}` : "";
    this.#write("change", over === "" ? "" : `${share < 0 ? "−" : "+"}${Math.abs(share).toFixed(3)} %${over}`);
  }

  #showAge(age) {
    const small = age !== null && age < MOST_MS_SHOWN;
    this.#write("age", age === null ? "–" : small ? String(Math.max(0, Math.round(age))) : spoken(age));
    this.#write("age-unit", age === null ? "" : small ? "ms ago" : "ago");
  }

  #showNotice(notice) {
    this.#element("notice").hidden = notice === null;
    this.#write("notice-title", notice?.title ?? "");
    this.#write("notice-detail", notice?.detail ?? "");
    this.#element("retry").hidden = notice?.retry !== true;
  }

  // A number that gets shorter must not move what is beside it: a line of the legend could come and go with each price.
  #writeSteadily(id, text) {
    this.#write(id, text);
    const width = widthOf(text);
    if (width <= (this.#widths.get(id) ?? 0)) return;
    this.#widths.set(id, width);
    this.#element(id).style.minWidth = `${width}ch`;
  }

  // Writing what is there already would make screen readers say it again.
  #write(id, text) {
    const target = this.#element(id);
    if (target.textContent !== text) target.textContent = text;
  }
}

// In widths of a digit.
function widthOf(text) {
  return text.replace(/[,. ]/g, "").length + text.replace(/[^,. ]/g, "").length / 2;
}

function withBand({ value, upper }, digits) {
  const smallest = 10 ** -digits;
  const half = upper - value;
  const width = half > 0 && half < smallest ? `< ${written(smallest, digits)}` : written(half, digits);
  return `${written(value, digits)} ± ${width}`;
}
