import { twoSidedQuantile } from "./student_t.js";

export const name = "Trend, 95 % band";

const CONFIDENCE = 0.95;

// Fit a straight line by least squares. The band is that of the mean response at 95 % confidence:
// value ± t(0.975, n - 2) · s · sqrt(1/n + (x - x̄)² / Sxx); Draper and Smith, Applied Regression Analysis, 3rd edition, 3.1.
// Times are centred before they are squared: in ms since 1970 their squares would leave no digit for a window of seconds.
// Fewer than three points have no band, points of one time no slope: then there is no line.
export function predict(points) {
  const count = points.length;
  if (count < 3) return [];
  const first = points[0];
  const meanTime = mean(points.map((point) => point.time - first.time));
  const meanValue = mean(points.map((point) => point.value - first.value));
  const xs = points.map((point) => point.time - first.time - meanTime);
  const ys = points.map((point) => point.value - first.value - meanValue);
  const squares = sum(xs.map((x) => x * x));
  if (squares === 0) return [];
  const slope = sum(xs.map((x, index) => x * ys[index])) / squares;
  const residuals = sum(xs.map((x, index) => (ys[index] - slope * x) ** 2));
  const width = twoSidedQuantile(CONFIDENCE, count - 2) * Math.sqrt(residuals / (count - 2));
  return points.map(({ time }, index) => {
    const value = first.value + meanValue + slope * xs[index];
    const half = width * Math.sqrt(1 / count + xs[index] ** 2 / squares);
    return { time, value, lower: value - half, upper: value + half };
  });
}

function sum(numbers) {
  return numbers.reduce((total, number) => total + number, 0);
}

function mean(numbers) {
  return sum(numbers) / numbers.length;
}
