// Return how many digits a decimal string has after the point, zeros at its end left out.
export function digitsOf(text) {
  const [, fraction = "", exponent = "0"] = /^-?\d+(?:\.(\d*?))?0*(?:[eE]([+-]?\d+))?$/.exec(withPoint(text)) ?? [];
  return Math.max(0, fraction.length - Number(exponent));
}

// Without a point, zeros at the end are not digits after it.
function withPoint(text) {
  return text.includes(".") ? text : text.replace(/^(-?\d+)/, "$1.");
}

// Write a decimal string or number with so many digits after the point and its thousands apart: 97,312.40.
export function written(value, digits) {
  if (value === null) return "–";
  const [whole, fraction] = Number(value).toFixed(digits).split(".");
  const apart = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return fraction === undefined ? apart : `${apart}.${fraction}`;
}
