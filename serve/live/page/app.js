import { pauses } from "./backoff.js";
import { PriceChart } from "./chart.js";
import { WallClock } from "./clock.js";
import { Connection } from "./connection.js";
import { forecasts } from "./forecasts/index.js";
import { Frames, afterFrame } from "./frames.js";
import { LastMinute, Report } from "./latency.js";
import { Market } from "./market.js";
import { Readout } from "./readout.js";
import { Server } from "./server.js";
import { fetchSymbols, fillPicker, firstChoice, symbolIn } from "./symbols.js";
import { followTheme } from "./theme.js";

const SYMBOLS_EVERY_MS = 5000;
const LOADING_MS = 3000;
const CALM_MS = 1000;
const BRISK_MS = 100;
const NO_FORECAST = "none";

const element = (id) => document.getElementById(id);
const clock = new WallClock({ date: Date.now, elapsed: () => performance.now(), origin: performance.timeOrigin });
const server = new Server(location);
const market = new Market();
const minute = new LastMinute();
const report = new Report();
const chart = new PriceChart(element("chart"));
const readout = new Readout(element);

let symbol = null;
let symbols = null;
let isTokenMissing = false;
let windows = { window_ms: 3000, slide_ms: 500, history_ms: 120_000 };
let shownSince = 0;
let isCaughtUp = false; // the server has told what it knew when we came
let rowsWanted = null; // rows to show once there are points; null when they are shown
let changed = new Set(); // ends of windows that are not drawn as they are known; null when all are to be drawn anew
let arrived = []; // points that are to be timed with the next frame
let predict = forecasts[0]?.predict ?? null;

const frames = new Frames({
  requestFrame: (callback) => requestAnimationFrame(callback),
  afterFrame: afterFrame(),
  wake: () => chart.wake(),
  drawings: () => chart.drawings,
  draw,
  painted,
});

const connection = new Connection({
  open: () => new WebSocket(server.socket),
  after: (duration, callback) => {
    const timer = setTimeout(callback, duration);
    return () => clearTimeout(timer);
  },
  now: () => performance.now(),
  pauses: () => pauses(),
  wanted: () => (symbol === null ? {} : { [symbol]: market.book(symbol)?.points.sequence ?? null }),
  told,
  changed: tick,
});

function told(message) {
  if (message.type === "hello" && market.configure(message)) {
    windows = message;
    readout.nameMean(message.window_ms);
    fillRanges();
    restart();
  }
  clock.heard(message.time ?? message.sent);
  if (message.type === "hello") isCaughtUp = symbol === null;
  if (message.type === "history") takeHistory(message);
  if (message.type === "points") take(message.points, message.sent);
}

function takeHistory({ symbol: of, points, reset }) {
  if (of !== symbol) return;
  isCaughtUp = true;
  if (reset) {
    market.book(of).points.clear();
    restart();
  }
  for (const point of points) {
    if (market.add(point).kept) redraw(point.end);
  }
}

function take(points, sent) {
  for (const point of points.filter((each) => each.symbol === symbol)) {
    const { kept, timed } = market.add(point);
    if (kept) redraw(point.end);
    // No frame is painted in a hidden tab; what waits for it to be shown again says nothing about how quick we are.
    if (timed && !document.hidden) arrived.push({ point, sent });
  }
}

function redraw(end) {
  // Nobody looks at a hidden tab for days: then what changed is not kept, and all is drawn when it is shown.
  if (document.hidden) changed = null;
  changed?.add(end);
  frames.ask();
}

// Put what has come into the chart; return the samples that are painted with it.
function draw() {
  const book = symbol === null ? null : market.book(symbol);
  const points = book?.points.shown() ?? [];
  const samples = arrived.map(({ point: { event, broker, result }, sent }) => ({ event, broker, result, sent }));
  if (points.length > 0) {
    chart.draw(points, changed, book.digits);
    if (rowsWanted !== null) chart.showNewest(rowsWanted);
    rowsWanted = null;
  }
  changed = new Set();
  arrived = [];
  const line = chart.forecast(predict, points);
  readout.showPrices(points, line, book?.digits ?? 0);
  return samples;
}

function painted(samples) {
  const now = clock.now();
  const stamped = samples.map((sample) => ({ ...sample, painted: now }));
  minute.add(stamped);
  // A clock that is obviously not the server's would tell it nonsense.
  if (clock.serverAhead === 0) report.add(stamped);
  const told = report.take(now);
  if (told.length > 0) connection.send({ type: "painted", samples: told });
}

// Draw the shown symbol from nothing.
function restart() {
  chart.clear(windows.slide_ms);
  changed = new Set();
  arrived = [];
  rowsWanted = rowsChosen();
  frames.ask();
}

function show(other) {
  if (other === null || other === symbol) return;
  const isFirst = symbol === null;
  symbol = other;
  shownSince = performance.now();
  if (isFirst) history.replaceState(null, "", `#${symbol}`);
  else if (symbolIn(location.hash) !== symbol) location.hash = symbol;
  document.title = `${symbol} · coinlake live`;
  minute.clear();
  report.clear();
  readout.restart();
  restart();
  connection.subscribe();
  fillPicker(element("symbol"), symbols ?? [], symbol);
  tick();
}

async function refreshSymbols() {
  const { symbols: found, needsToken } = await fetchSymbols(server.symbols);
  isTokenMissing = needsToken;
  if (found !== null) {
    symbols = found;
    if (symbol === null) show(symbolIn(location.hash) ?? firstChoice(found));
    fillPicker(element("symbol"), found, symbol);
  }
  tick();
}

// What changes without a message: ages, countdowns, the notice.
function tick() {
  clock.adjust();
  const book = symbol === null ? null : market.book(symbol);
  const event = book?.points.event ?? null;
  const now = clock.now() + clock.serverAhead;
  readout.showState({
    state: connection.state,
    isCaughtUp,
    isTokenMissing,
    reason: connection.reason,
    retryAt: connection.retryAt,
    now: performance.now(),
    age: event === null ? null : now - event,
    serverAhead: clock.serverAhead,
    symbols: symbols === null ? null : symbols.map((each) => each.symbol),
    symbol,
    size: book?.points.size ?? 0,
    waited: performance.now() - shownSince > LOADING_MS,
  });
  element("newest").hidden = chart.isFollowing || (book?.points.size ?? 0) === 0;
}

function fillRanges() {
  const { history_ms: history, slide_ms: slide, window_ms: window } = windows;
  // Of the history the windows that are not begun or not shown yet take their part.
  const rowsOf = (duration) => Math.round(Math.min(duration, history - window) / slide);
  const choices = [30_000, 60_000, history].filter((duration, index, all) => duration <= history && all.indexOf(duration) === index);
  const wide = matchMedia("(min-width: 861px)").matches;
  const chosen = wide ? history : Math.min(history, 60_000);
  readout.fillRanges(choices.map((duration) => ({ duration, rows: rowsOf(duration) })), rowsOf(chosen), (rows) => chart.showNewest(rows));
}

function rowsChosen() {
  const choice = document.querySelector("#ranges input:checked");
  return choice === null ? null : Number(choice.value);
}

function listen() {
  element("symbol").addEventListener("change", (change) => show(change.target.value));
  element("retry").addEventListener("click", () => connection.wake());
  element("newest").addEventListener("click", () => chart.scrollToNewest());
  for (const field of ["mean", "vwap"]) {
    const box = element(`toggle-${field}`);
    chart.toggle(field, box.checked);
    box.addEventListener("change", () => chart.toggle(field, box.checked));
  }
  const picker = element("forecast");
  picker.replaceChildren(...forecasts.map(({ name }, index) => new Option(name, index)), new Option("No forecast", NO_FORECAST));
  picker.addEventListener("change", () => {
    predict = picker.value === NO_FORECAST ? null : forecasts[Number(picker.value)].predict;
    frames.ask();
  });
  chart.onSightChange(() => {
    readout.markRange(chart.rowsInSight());
    frames.ask();
  });
  chart.onPoint((end) => {
    readout.pointAt(end);
    frames.ask();
  });
  element("chart").addEventListener("keydown", pressed);
  followTheme(element("theme"), () => {
    chart.recolor();
    frames.ask();
  });
  addEventListener("hashchange", () => show(symbolIn(location.hash)));
  addEventListener("online", () => connection.wake());
  document.addEventListener("visibilitychange", () => {
    arrived = [];
    if (!document.hidden) {
      connection.wake();
      frames.ask();
    }
  });
}

const KEYS = {
  ArrowLeft: () => chart.scrollBy(-10),
  ArrowRight: () => chart.scrollBy(10),
  "+": () => chart.zoom(0.8),
  "=": () => chart.zoom(0.8),
  "-": () => chart.zoom(1.25),
  Home: () => chart.scrollToOldest(),
  End: () => chart.scrollToNewest(),
};

function pressed(event) {
  const act = event.ctrlKey || event.metaKey || event.altKey ? undefined : KEYS[event.key];
  if (act === undefined) return;
  event.preventDefault();
  act();
}

// For tests: to look at, not to change.
globalThis.coinlake = Object.freeze({
  get state() {
    return element("state").dataset.kind;
  },
  get symbol() {
    return symbol;
  },
  get windows() {
    return (symbol === null ? null : market.book(symbol))?.points.shown().map((point) => ({ ...point })) ?? [];
  },
  get newestDrawn() {
    return chart.lastEnd;
  },
  get painted() {
    return minute.samples(clock.now());
  },
});

listen();
show(symbolIn(location.hash));
connection.start();
refreshSymbols();
setInterval(refreshSymbols, SYMBOLS_EVERY_MS);
setInterval(tick, matchMedia("(prefers-reduced-motion: reduce)").matches ? CALM_MS : BRISK_MS);
setInterval(() => readout.showLatency(minute.summary(clock.now())), CALM_MS / 2);
