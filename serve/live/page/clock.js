const STEP_MS = 5;
const OBVIOUS_MS = 1000;
const HEARD_KEPT = 20;

// The time of day in ms since 1970 with fractions, which Date.now() has not.
export class WallClock {
  #date;
  #elapsed;
  #origin;
  #ahead = []; // of the server, as its last messages tell; each is late by its own way

  constructor({ date, elapsed, origin }) {
    this.#date = date;
    this.#elapsed = elapsed;
    this.#origin = origin;
  }

  now() {
    return this.#origin + this.#elapsed();
  }

  // A computer that slept or whose clock was set has another origin since: to be called now and then.
  adjust() {
    // Date.now() leaves fractions out: it is half a millisecond behind on average.
    const wrong = this.#date() + 0.5 - this.now();
    if (Math.abs(wrong) <= STEP_MS) return;
    this.#origin += wrong;
    this.#ahead = [];
  }

  // Take in what the server said the time was.
  heard(serverTime) {
    this.adjust();
    this.#ahead.push(serverTime - this.now());
    if (this.#ahead.length > HEARD_KEPT) this.#ahead.shift();
  }

  // By how many ms the server's clock is ahead of ours: 0 unless it is more than the way of a message explains.
  // The quickest message tells: one that waited for a busy page makes the server look as if it were behind.
  get serverAhead() {
    const ahead = this.#ahead.length === 0 ? 0 : Math.max(...this.#ahead);
    return Math.abs(ahead) > OBVIOUS_MS ? ahead : 0;
  }
}
