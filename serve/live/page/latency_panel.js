import { STAGES } from "./latency.js";

// Writes how long events took to get onto the screen: a bar with a part for each stage, and a table.
export class LatencyPanel {
  #bar;
  #total;
  #parts = [];
  #rows = [];
  #count;

  constructor({ bar, total, body, count }) {
    this.#bar = bar;
    this.#total = total;
    this.#count = count;
    STAGES.forEach(({ name }, index) => {
      const part = document.createElement("span");
      part.className = `part stage-${index}`;
      bar.append(part);
      this.#parts.push(part);
      const row = body.insertRow();
      const head = document.createElement("th");
      head.scope = "row";
      const swatch = document.createElement("span");
      swatch.className = `swatch stage-${index}`;
      head.append(swatch, name);
      row.append(head);
      this.#rows.push([row.insertCell(), row.insertCell(), row.insertCell()]);
    });
  }

  show({ count, total, stages }) {
    this.#count.textContent = count === 0 ? "nothing was timed yet" : `${count} event${count === 1 ? "" : "s"} timed`;
    this.#total.last.textContent = ms(total.last);
    this.#total.p50.textContent = ms(total.p50);
    this.#total.p99.textContent = ms(total.p99);
    stages.forEach((stage, index) => {
      this.#parts[index].style.flexGrow = String(Math.max(stage.p50 ?? 0, 0));
      [stage.last, stage.p50, stage.p99].forEach((value, column) => {
        this.#rows[index][column].textContent = ms(value);
      });
    });
    this.#bar.hidden = count === 0;
    this.#bar.setAttribute("aria-label", stages.map(({ name, p50 }) => `${name} ${ms(p50)} ms`).join(", "));
  }
}

function ms(value) {
  if (value === null) return "–";
  return Math.abs(value) < 10 ? value.toFixed(1) : String(Math.round(value));
}
