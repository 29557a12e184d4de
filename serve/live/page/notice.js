// What stands in place of the chart while there is none, and what to do about it; null when the chart has something.
//
// state, reason: the connection's. symbols: names of those with data, null while unknown. symbol: the one to show.
export function noticeFor({ state, isTokenMissing, reason, symbols, symbol, size, waited }) {
  if (size > 0) return null;
  if (isTokenMissing) return NO_TOKEN;
  if (state === "reconnecting") return reason === null ? NO_SERVER : { ...REFUSED, detail: `It said: ${reason}` };
  if (state === "connecting" || symbols === null) return CONNECTING;
  if (symbols.length === 0) return NO_PRICES;
  if (symbols.includes(symbol)) return waited ? { ...NO_POINTS, title: `No newer prices of ${symbol}` } : LOADING;
  return { ...NO_POINTS, title: `No prices of ${symbol}`, detail: "Pick another market above, or wait: it shows by itself." };
}

const CONNECTING = { title: "Connecting …", detail: "" };
const LOADING = { title: "Loading …", detail: "" };
const NO_TOKEN = {
  title: "A token is needed",
  detail: "Open this page with ?token=… at the end of its address.",
};
const NO_SERVER = {
  title: "The server does not answer",
  detail: "Is `coinlake live` still running? The page connects by itself as soon as it is.",
  retry: true,
};
const REFUSED = { title: "The server closed the connection", detail: "", retry: true };
const NO_PRICES = {
  title: "No prices yet",
  detail:
    "Leave this page open: prices show with the first trades. " +
    "If none come within a minute, look at what `coinlake live` says in its terminal.",
};
const NO_POINTS = { title: "", detail: "Wait for the next trade: it shows by itself." };
