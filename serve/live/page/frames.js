const TRIES = 3;

// Draws what has come once a frame, and tells when that frame had been painted.
//
// requestFrame: calls back before the next frame is painted. afterFrame: calls back in a task of its own, which the
// browser starts once that frame is painted. draw: puts what has come into the chart, returns what is to be timed.
// wake: makes the chart ask for a frame as well. drawings: how often the chart has drawn. painted: is told what was timed.
export class Frames {
  #parts;
  #asked = false;

  constructor(parts) {
    this.#parts = parts;
  }

  // Frames call back in the order they were asked for. The chart draws in a frame that it asks for itself, so it is woken
  // after ours was asked for: then both are in one frame, ours first. Otherwise each point would wait a frame longer.
  ask() {
    if (this.#asked) return;
    this.#asked = true;
    this.#parts.requestFrame(() => this.#run());
    this.#parts.wake();
  }

  #run() {
    this.#asked = false;
    const before = this.#parts.drawings();
    const timed = this.#parts.draw();
    if (timed.length > 0) this.#stamp(timed, before, TRIES);
  }

  #stamp(timed, before, tries) {
    this.#parts.afterFrame(() => {
      if (this.#parts.drawings() > before) this.#parts.painted(timed);
      else if (tries > 1) this.#parts.requestFrame(() => this.#stamp(timed, before, tries - 1));
    });
  }
}

// A task that is posted while a frame is made runs after that frame.
export function afterFrame() {
  const { port1, port2 } = new MessageChannel();
  const waiting = [];
  port1.onmessage = () => waiting.shift()();
  return (callback) => {
    waiting.push(callback);
    port2.postMessage(null);
  };
}
