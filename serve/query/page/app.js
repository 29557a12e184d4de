// The page: a list of queries, the fields of the chosen one, and its answer.

import { ask, pathOf } from "./api.js";
import { drawFields } from "./fields.js";
import { drawTable, summaryOf } from "./table.js";
import { followTheme } from "/shared/theme.js";

const at = (id) => document.getElementById(id);
const token = new URLSearchParams(location.search).get("token") ?? "";
let queries = [];
let chosen;
let asking;

function tell(text, kind = "") {
  at("state").textContent = text;
  at("state").dataset.kind = kind;
}

function withToken(path) {
  return token ? `${path}${path.includes("?") ? "&" : "?"}${new URLSearchParams({ token })}` : path;
}

function values() {
  return Object.fromEntries(new FormData(at("form")));
}

function drawList() {
  const stores = [...new Set(queries.map((query) => query.store))].sort();
  at("queries").replaceChildren(
    ...stores.flatMap((store) => {
      const title = document.createElement("h3");
      title.textContent = store;
      return [title, ...queries.filter((query) => query.store === store).map(linkTo)];
    }),
  );
}

function linkTo(query) {
  const link = document.createElement("a");
  link.href = `#${query.key}`;
  link.textContent = query.key;
  if (query === chosen) link.setAttribute("aria-current", "page");
  return link;
}

function drawAddress() {
  const path = pathOf(chosen.key, values());
  at("address").textContent = path;
  at("address").href = withToken(path);
  at("csv").href = withToken(pathOf(chosen.key, values(), "csv"));
}

function choose() {
  const key = decodeURIComponent(location.hash.slice(1));
  chosen = queries.find((query) => query.key === key);
  asking?.abort();
  at("form").hidden = !chosen;
  at("answer").replaceChildren();
  drawList();
  if (!chosen) return tell(key ? `There is no query ${key}` : "", key ? "wrong" : "");
  at("key").textContent = chosen.key;
  at("description").textContent = chosen.description;
  drawFields(at("fields"), chosen.parameters);
  drawAddress();
  tell(`At most ${chosen.row_limit.toLocaleString("en")} rows, stopped after ${chosen.time_limit_seconds} s.`);
  if (at("form").checkValidity()) run();
}

async function run() {
  asking?.abort();
  const mine = (asking = new AbortController());
  tell("Asking…");
  drawAddress();
  try {
    const answer = await ask(pathOf(chosen.key, values()), token, mine.signal);
    if (mine !== asking) return;
    drawTable(at("answer"), answer);
    tell(summaryOf(answer));
  } catch (error) {
    if (mine !== asking || mine.signal.aborted) return;
    at("answer").replaceChildren();
    tell(error.message, "wrong");
  }
}

at("form").addEventListener("submit", (event) => {
  event.preventDefault();
  run();
});
at("form").addEventListener("input", drawAddress);
addEventListener("hashchange", choose);
followTheme(at("theme"), () => {});
for (const id of ["openapi", "list"]) at(id).href = withToken(at(id).getAttribute("href"));

try {
  ({ queries } = await ask("/api/q", token));
  choose();
} catch (error) {
  tell(error.message, "wrong");
}
