const TRIES = 3;

// Draws what has come once a frame, and tells when that frame had been painted.
//
// requestFrame: calls back before the next frame is painted. afterFrame: calls back in a task of its own, which the
// browser starts once that frame is painted. draw: puts what has come into the chart, returns what is to be timed.
// wake: makes the chart ask for a frame as well. drawings: how often the chart has drawn. painted: is told what was timed.
//
// Frames call back in the order they were asked for, and the chart draws in a frame that it asks for itself. Ours has to be
// asked for first, else what we put into the chart is painted a frame later.
export class Frames {
  #parts;
  #wanted = false;
  #asked = false;

  constructor(parts) {
    this.#parts = parts;
  }

  ask() {
    this.#wanted = true;
    this.#request();
    this.#parts.wake();
  }

  #request() {
    if (this.#asked) return;
    this.#asked = true;
    this.#parts.requestFrame(() => this.#run());
  }

  #run() {
    this.#asked = false;
    if (!this.#wanted) return;
    this.#wanted = false;
    // Where the chart has drawn this frame already, what it is given now makes it ask for the next one. Were ours asked for
    // only when more has come, the chart would be the first again, in each frame until nothing comes for a while.
    this.#request();
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
