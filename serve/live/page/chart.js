import { LineSeries, LineStyle, createChartEx, defaultHorzScaleBehavior } from "/vendor/lightweight-charts.js";

import { clockAxis, clockTime, secondsOf } from "./axis.js";
import { Band } from "./band.js";
import { written } from "./decimals.js";
import { onGrid } from "./points.js";

const ROOM_RIGHT = 4;
const LINES = {
  vwap: { color: "--vwap", lineWidth: 1, lineStyle: LineStyle.Solid },
  mean: { color: "--mean", lineWidth: 2, lineStyle: LineStyle.Solid },
  last: { color: "--price", lineWidth: 2, lineStyle: LineStyle.Solid },
};

// The chart of one symbol: its lines, a forecast over them, and which part of the time is shown.
export class PriceChart {
  #chart;
  #series = {};
  #band;
  #slide = 500;
  #digits = 2;
  #rows = 0;
  #firstEnd = null;
  #lastEnd = null;

  constructor(container) {
    this.#chart = createChartEx(container, new (clockAxis(defaultHorzScaleBehavior()))(), OPTIONS);
    for (const [field, { lineWidth, lineStyle }] of Object.entries(LINES)) {
      this.#series[field] = this.#chart.addSeries(LineSeries, {
        lineWidth,
        lineStyle,
        priceLineVisible: field === "last",
        lastValueVisible: field === "last",
        crosshairMarkerVisible: field === "last",
      });
    }
    this.#band = new Band((time) => this.#xOf(time));
    this.#series.last.attachPrimitive(this.#band);
    this.#chart.applyOptions({ localization: { priceFormatter: (price) => written(price, this.#digits) } });
    this.recolor();
  }

  get drawings() {
    return this.#band.drawings;
  }

  // The end of the newest window drawn, ms; null before the first.
  get lastEnd() {
    return this.#lastEnd;
  }

  get isFollowing() {
    return this.#chart.timeScale().scrollPosition() > -1;
  }

  // Make the chart ask for a frame.
  wake() {
    this.#band.requestDrawing();
  }

  // Forget all data; the next symbol has windows at such steps (ms).
  clear(slide) {
    this.#slide = slide;
    this.#setAll([]);
  }

  // Draw points in order of their ends; those in `changed`, a set of ends, are others than
  // before; null: all of them.
  draw(points, changed, digits) {
    if (digits !== this.#digits) this.#setDigits(digits);
    const rows = onGrid(points, this.#slide);
    if (rows.length === 0) return;
    // The library adds rows on the right only, and removes none on the left.
    if (changed === null || rows[0].end !== this.#firstEnd) this.#setAll(rows);
    else rows.filter(({ end }) => end > this.#lastEnd || changed.has(end)).forEach((row) => this.#set(row));
  }

  toggle(field, visible) {
    this.#series[field].applyOptions({ visible });
  }

  // Show a forecast of the points in sight; null shows none. Returns its line.
  forecast(predict, points) {
    const line = predict === null ? [] : predict(this.#inSight(points));
    this.#band.show(line, { line: color("--forecast"), band: color("--forecast-band") });
    return line;
  }

  // Show so many rows up to the newest.
  showNewest(rows) {
    const to = this.#rows - 1 + ROOM_RIGHT;
    this.#chart.timeScale().setVisibleLogicalRange({ from: to - rows - ROOM_RIGHT + 1, to });
  }

  // Return how many rows are in sight, whether they hold data or not.
  rowsInSight() {
    const range = this.#chart.timeScale().getVisibleLogicalRange();
    return range === null ? 0 : Math.round(range.to - range.from) - ROOM_RIGHT + 1;
  }

  scrollBy(rows) {
    const scale = this.#chart.timeScale();
    scale.scrollToPosition(Math.min(ROOM_RIGHT, scale.scrollPosition() + rows), false);
  }

  scrollToNewest() {
    this.#chart.timeScale().scrollToPosition(ROOM_RIGHT, false);
  }

  scrollToOldest() {
    const scale = this.#chart.timeScale();
    const range = scale.getVisibleLogicalRange();
    if (range !== null) scale.setVisibleLogicalRange({ from: 0, to: range.to - range.from });
  }

  // Show more time or less, the newest row in sight staying where it is.
  zoom(factor) {
    const scale = this.#chart.timeScale();
    const range = scale.getVisibleLogicalRange();
    if (range !== null) scale.setVisibleLogicalRange({ from: range.to - (range.to - range.from) * factor, to: range.to });
  }

  onSightChange(callback) {
    this.#chart.timeScale().subscribeVisibleLogicalRangeChange(callback);
  }

  // Tell the end of the window under the pointer, ms, and null when it leaves.
  onPoint(callback) {
    this.#chart.subscribeCrosshairMove(({ time }) => callback(time === undefined ? null : Math.round(time * 1000)));
  }

  // Take the colors that the style sheet has now.
  recolor() {
    this.#chart.applyOptions({
      layout: { background: { color: color("--card") }, textColor: color("--muted") },
      grid: { vertLines: { color: color("--grid") }, horzLines: { color: color("--grid") } },
      crosshair: {
        vertLine: { color: color("--muted"), labelBackgroundColor: color("--label") },
        horzLine: { color: color("--muted"), labelBackgroundColor: color("--label") },
      },
    });
    for (const [field, line] of Object.entries(LINES)) this.#series[field].applyOptions({ color: color(line.color) });
  }

  #setDigits(digits) {
    this.#digits = digits;
    const priceFormat = { type: "price", precision: digits, minMove: 10 ** -digits };
    for (const series of Object.values(this.#series)) series.applyOptions({ priceFormat });
  }

  #setAll(rows) {
    for (const [field, series] of Object.entries(this.#series)) series.setData(rows.map((row) => datum(row, field)));
    this.#rows = rows.length;
    this.#firstEnd = rows.at(0)?.end ?? null;
    this.#lastEnd = rows.at(-1)?.end ?? null;
  }

  #set(row) {
    const historical = row.end < this.#lastEnd;
    for (const [field, series] of Object.entries(this.#series)) series.update(datum(row, field), historical);
    if (row.end > this.#lastEnd) {
      this.#rows += 1;
      this.#lastEnd = row.end;
    }
  }

  #inSight(points) {
    const range = this.#chart.timeScale().getVisibleLogicalRange();
    if (range === null || this.#firstEnd === null) return [];
    const from = this.#firstEnd + Math.ceil(range.from) * this.#slide;
    const to = this.#firstEnd + Math.floor(range.to) * this.#slide;
    return points
      .filter(({ end }) => end >= from && end <= to)
      .map(({ end, last }) => ({ time: end, value: Number(last) }));
  }

  // Rows are at even distances, so that a time between two rows or after the last one has its place as well.
  #xOf(time) {
    const scale = this.#chart.timeScale();
    const first = scale.logicalToCoordinate(0);
    const second = scale.logicalToCoordinate(1);
    if (first === null || second === null) return null;
    return first + ((time - this.#firstEnd) / this.#slide) * (second - first);
  }
}

// The library writes into what it is given, so each line gets data of its own. A row without a value takes its place on
// the axis of time, and the line goes straight over it.
function datum({ end, point }, field) {
  const time = secondsOf(end);
  const value = point?.[field] ?? null;
  return value === null ? { time } : { time, value: Number(value) };
}

function color(variable) {
  return getComputedStyle(document.documentElement).getPropertyValue(variable).trim();
}

const OPTIONS = {
  autoSize: true,
  layout: {
    fontFamily: "system-ui, sans-serif",
    // Its logo brings an inline style sheet, which our content security policy forbids; the footer has the notice.
    attributionLogo: false,
  },
  localization: { timeFormatter: clockTime },
  rightPriceScale: { borderVisible: false, scaleMargins: { top: 0.12, bottom: 0.1 } },
  timeScale: {
    borderVisible: false,
    timeVisible: true,
    secondsVisible: true,
    rightOffset: ROOM_RIGHT,
    minBarSpacing: 0.2,
    lockVisibleTimeRangeOnResize: true,
  },
  // A finger that moves up or down scrolls the page.
  handleScroll: { vertTouchDrag: false },
};
