const STEP_MS = 50;
const OBVIOUS_MS = 1000;

// The time of day in ms since 1970 with fractions, which Date.now() has not.
export class WallClock {
  #date;
  #elapsed;
  #origin;
  #ahead = 0;

  constructor({ date, elapsed, origin }) {
    this.#date = date;
    this.#elapsed = elapsed;
    this.#origin = origin;
  }

  now() {
    return this.#origin + this.#elapsed();
  }

  // Take in what the server said the time was. A computer that slept or whose clock was set has another origin since.
  heard(serverTime) {
    const wrong = this.#date() - this.now();
    if (Math.abs(wrong) > STEP_MS) this.#origin += wrong;
    this.#ahead = serverTime - this.now();
  }

  // By how many ms the server's clock is ahead of ours: 0 unless it is more than the way of a message explains.
  get serverAhead() {
    return Math.abs(this.#ahead) > OBVIOUS_MS ? this.#ahead : 0;
  }
}
