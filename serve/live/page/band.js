// Draws a forecast over the chart: its line, and the band between lower and upper. Counts how often the chart has drawn.
export class Band {
  drawings = 0;

  #line = [];
  #colors = { line: "#888", band: "#8883" };
  #xOf;
  #parts = null;
  #views;

  // xOf(time in ms) -> x in pixels, null where the chart has no points.
  constructor(xOf) {
    this.#xOf = xOf;
    const renderer = { draw: (target) => this.#draw(target) };
    this.#views = [{ zOrder: () => "normal", renderer: () => renderer }];
  }

  // Called by the chart, as are the methods up to autoscaleInfo.
  attached(parts) {
    this.#parts = parts;
  }

  paneViews() {
    return this.#views;
  }

  // The line is always in sight; a band that is wider than the prices is cut off rather than flattening them.
  autoscaleInfo() {
    if (this.#line.length === 0) return null;
    const values = this.#line.map(({ value }) => value);
    return { priceRange: { minValue: Math.min(...values), maxValue: Math.max(...values) } };
  }

  show(line, colors) {
    this.#line = line;
    this.#colors = colors;
    this.requestDrawing();
  }

  requestDrawing() {
    this.#parts?.requestUpdate();
  }

  #draw(target) {
    this.drawings += 1;
    const corners = this.#corners();
    if (corners.length < 2) return;
    target.useMediaCoordinateSpace(({ context }) => {
      context.beginPath();
      corners.forEach(({ x, upper }) => context.lineTo(x, upper));
      corners.toReversed().forEach(({ x, lower }) => context.lineTo(x, lower));
      context.fillStyle = this.#colors.band;
      context.fill();
      context.beginPath();
      corners.forEach(({ x, value }) => context.lineTo(x, value));
      context.strokeStyle = this.#colors.line;
      context.lineWidth = 2;
      context.setLineDash([6, 4]);
      context.stroke();
    });
  }

  #corners() {
    const yOf = (price) => this.#parts.series.priceToCoordinate(price);
    return this.#line
      .map(({ time, value, lower, upper }) => ({
        x: this.#xOf(time),
        value: yOf(value),
        lower: yOf(lower),
        upper: yOf(upper),
      }))
      .filter((corner) => Object.values(corner).every((coordinate) => coordinate !== null));
  }
}
