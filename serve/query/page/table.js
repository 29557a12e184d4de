// The table of an answer. Decimals are shown digit by digit as they came: no number of JavaScript touches them.

const NUMBERS = new Set(["integer", "decimal", "float"]);

export function textOf(cell) {
  if (cell === null) return "–";
  return typeof cell === "object" ? JSON.stringify(cell) : String(cell);
}

// What an answer is, in words.
export function summaryOf(answer) {
  const rows = `${answer.row_count.toLocaleString("en")} row${answer.row_count === 1 ? "" : "s"}`;
  const cut = answer.truncated ? ", cut off at the row limit" : "";
  return `${rows}${cut}, ${(answer.seconds * 1000).toFixed(0)} ms`;
}

export function drawTable(place, answer) {
  const table = document.createElement("table");
  const head = table.createTHead().insertRow();
  for (const column of answer.columns) head.append(cellOf("th", column.name, column));
  const body = table.createTBody();
  for (const row of answer.rows) {
    const line = body.insertRow();
    row.forEach((cell, at) => {
      const drawn = cellOf("td", textOf(cell), answer.columns[at]);
      if (cell === null) drawn.classList.add("none");
      line.append(drawn);
    });
  }
  place.replaceChildren(table);
}

function cellOf(element, text, column) {
  const cell = document.createElement(element);
  cell.textContent = text;
  if (element === "th") cell.scope = "col";
  if (NUMBERS.has(column.type)) cell.classList.add("number");
  return cell;
}
