// Yield pauses in ms for ever: twice as long each time, half of it by chance, from 250 ms up to 5 s.
export function* pauses({ random = Math.random, first = 500, most = 5000 } = {}) {
  for (let step = first; ; step = Math.min(most, step * 2)) {
    yield step / 2 + (random() * step) / 2;
  }
}
