// From an event to the screen: the stages between the times that a sample carries.
export const STAGES = [
  { name: "event → broker", from: "event", to: "broker" },
  { name: "broker → result", from: "broker", to: "result" },
  { name: "result → socket", from: "result", to: "sent" },
  { name: "socket → painted", from: "sent", to: "painted" },
];
const TOTAL = { name: "event → painted", from: "event", to: "painted" };

const MINUTE_MS = 60_000;
const MOST_KEPT = 6000;
const REPORT_MS = 1000;
const MOST_REPORTED = 100;

// Return a quantile by nearest rank: a value that was measured, none in between. Null of no values.
export function quantile(values, share) {
  if (values.length === 0) return null;
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}

// The samples of the last minute, {event, broker, result, sent, painted} in ms.
export class LastMinute {
  #samples = [];

  add(samples) {
    this.#samples.push(...samples);
    if (this.#samples.length > MOST_KEPT) this.#samples.splice(0, this.#samples.length - MOST_KEPT);
  }

  clear() {
    this.#samples = [];
  }

  samples(now) {
    this.#samples = this.#samples.filter(({ painted }) => painted > now - MINUTE_MS);
    return [...this.#samples];
  }

  summary(now) {
    const samples = this.samples(now);
    const told = ({ name, from, to }) => {
      const times = samples.map((sample) => sample[to] - sample[from]);
      return { name, last: times.at(-1) ?? null, p50: quantile(times, 0.5), p99: quantile(times, 0.99) };
    };
    return { count: samples.length, total: told(TOTAL), stages: STAGES.map(told) };
  }
}

// What to tell the server: samples together, once a second at most, the newest 100 of them.
export class Report {
  #waiting = [];
  #toldAt = -Infinity;

  add(samples) {
    this.#waiting.push(...samples);
    if (this.#waiting.length > MOST_REPORTED) this.#waiting.splice(0, this.#waiting.length - MOST_REPORTED);
  }

  clear() {
    this.#waiting = [];
  }

  // Return the samples to send now, which may be none.
  take(now) {
    if (this.#waiting.length === 0 || now - this.#toldAt < REPORT_MS) return [];
    const samples = this.#waiting;
    this.#waiting = [];
    this.#toldAt = now;
    return samples;
  }
}
