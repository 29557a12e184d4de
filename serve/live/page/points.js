// Return the end (ms) of the first window that ends after an event and holds it.
// Ends are exclusive: an event at 10.000 s is not in the window that ends there but in the one that ends at 10.500 s.
export function windowOf(event, slide) {
  return (Math.floor(event / slide) + 1) * slide;
}

// The newest point of each window of one symbol, whatever the order they come in, no older than the history (ms).
export class SymbolPoints {
  #slide;
  #history;
  #windows = new Map();
  #newestEnd = -Infinity;

  constructor({ slide, history }) {
    this.#slide = slide;
    this.#history = history;
    this.clear();
  }

  clear() {
    this.#windows.clear();
    this.#newestEnd = -Infinity;
    this.sequence = null; // the greatest that was seen: what to go on after
    this.event = null; // when the newest event happened, ms
  }

  get size() {
    return this.#windows.size;
  }

  // The end of the newest window to draw; later ones hold the same events and wait for more. Null without a point.
  get front() {
    return this.event === null ? null : windowOf(this.event, this.#slide);
  }

  // Take a point in. `kept`: it is the newest of its window. `timed`: it brought an event that its window is drawn for.
  add(point) {
    this.sequence = Math.max(this.sequence ?? -Infinity, point.sequence);
    const before = this.#windows.get(point.end);
    if (this.#isTooOld(point.end) || (before !== undefined && !isNewer(point, before))) {
      return { kept: false, timed: false };
    }
    this.#windows.set(point.end, point);
    this.event = Math.max(this.event ?? -Infinity, point.event);
    this.#forget(point.end);
    const fresh = before === undefined || point.event > before.event;
    return { kept: true, timed: fresh && point.end === windowOf(point.event, this.#slide) };
  }

  // Return the points to draw, in order of their ends.
  shown() {
    const { front } = this;
    return [...this.#windows.values()].filter(({ end }) => end <= front).sort((one, other) => one.end - other.end);
  }

  #isTooOld(end) {
    return end <= this.#newestEnd - this.#history;
  }

  #forget(end) {
    if (end <= this.#newestEnd) return;
    this.#newestEnd = end;
    for (const old of this.#windows.keys()) {
      if (this.#isTooOld(old)) this.#windows.delete(old);
    }
  }
}

function isNewer(point, before) {
  return point.count > before.count || (point.count === before.count && point.sequence > before.sequence);
}

// Return a row for each step from the first end to the last, null as its point where no window is known:
// the time axis of the chart counts rows, so without these a quiet market would look like a fast one.
export function onGrid(points, slide) {
  if (points.length === 0) return [];
  const known = new Map(points.map((point) => [point.end, point]));
  const rows = [];
  for (let { end } = points[0]; end <= points.at(-1).end; end += slide) {
    rows.push({ end, point: known.get(end) ?? null });
  }
  return rows;
}
