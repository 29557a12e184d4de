// The chart's time is in seconds since 1970, and fractions are fine: 0.5 is a row of its own between 0 and 1.
// But it writes whole seconds only, and marks any of them (11, 22, 33): marks are chosen and written here. Times are UTC.
export function secondsOf(end) {
  return end / 1000;
}

// Write a time of the chart as 14:03:07, or 14:03:07.5 between two seconds.
export function clockTime(seconds) {
  const [whole, fraction] = new Date(Math.round(seconds * 1000)).toISOString().slice(11, -1).split(".");
  const rest = fraction.replace(/0+$/, "");
  return rest === "" ? whole : `${whole}.${rest}`;
}

// Seconds whose multiples are marked first where there is not room for a mark at each row. The library fills what is
// between two marks with any that have room: 15 between 30 and 5 would let it mark 15, 22 and 30.
const ROUND = [3600, 1800, 600, 300, 60, 30, 10, 5, 1];

// Return how round a time of the chart is: the greater, the sooner it is marked.
export function roundness(seconds) {
  const place = ROUND.findIndex((step) => seconds % step === 0);
  return place === -1 ? 0 : ROUND.length - place;
}

// Make the time axis out of the library's own.
export function clockAxis(HorzScaleBehavior) {
  return class ClockAxis extends HorzScaleBehavior {
    fillWeightsForPoints(points, startIndex) {
      for (const point of points.slice(startIndex)) point.timeWeight = roundness(point.originalTime);
    }

    formatTickmark({ originalTime }) {
      return clockTime(originalTime);
    }

    maxTickMarkWeight(marks) {
      return marks.reduce((most, { weight }) => Math.max(most, weight), 0);
    }
  };
}
