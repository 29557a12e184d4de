const HALVINGS = 60;

const known = new Map();

// Return t such that |T| < t with this probability, T being Student-t distributed with so many degrees of freedom (1, 2, ...).
export function twoSidedQuantile(probability, degrees) {
  const key = `${probability}/${degrees}`;
  if (!known.has(key)) known.set(key, Math.sqrt(degrees) * Math.tan(angleOf(probability, degrees)));
  return known.get(key);
}

// The probability grows with the angle: halve the range until no more digit changes.
function angleOf(probability, degrees) {
  let low = 0;
  let high = Math.PI / 2;
  for (let halving = 0; halving < HALVINGS; halving += 1) {
    const middle = (low + high) / 2;
    if (probabilityWithin(middle, degrees) < probability) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

// Return P(|T| < t), the angle being atan(t / sqrt(degrees)): the finite series 26.7.3 and 26.7.4 of
// Abramowitz and Stegun, Handbook of Mathematical Functions, 1964.
export function probabilityWithin(angle, degrees) {
  const cosine = Math.cos(angle);
  const odd = degrees % 2 === 1;
  let term = odd ? cosine : 1;
  let series = degrees === 1 ? 0 : term;
  for (let factor = odd ? 2 : 1; factor <= degrees - 3; factor += 2) {
    term *= (factor / (factor + 1)) * cosine * cosine;
    series += term;
  }
  return odd ? (2 / Math.PI) * (angle + Math.sin(angle) * series) : Math.sin(angle) * series;
}
