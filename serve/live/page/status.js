const STALE_MS = 10_000;

// Say in words how the connection is, `detail` being what changes by the second (and is not read out each time).
//
// isCaughtUp: the server has answered our subscription. age: of the newest event, ms, null without one.
export function statusOf({ state, isCaughtUp, retryAt, now, age }) {
  if (state === "connecting") return { kind: "connecting", word: "Connecting", detail: "" };
  if (state === "reconnecting") {
    const seconds = Math.max(0, (retryAt - now) / 1000);
    return { kind: "reconnecting", word: "Reconnecting", detail: `in ${seconds.toFixed(1)} s` };
  }
  // After a start the server first reads what it has to tell; without a broker it has nothing.
  if (!isCaughtUp) return { kind: "connecting", word: "Catching up", detail: "" };
  if (age !== null && age > STALE_MS) return { kind: "stale", word: "Stale", detail: `no trade for ${spoken(age)}` };
  return { kind: "live", word: "Live", detail: "" };
}

// Write a duration of ms in its greatest unit.
export function spoken(duration) {
  const seconds = Math.round(duration / 1000);
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}
