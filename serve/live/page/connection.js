const SILENT_BEATS = 3;
const HELLO_WITHIN_MS = 10_000;
const OPEN = 1;

// Keeps a WebSocket of docs/live.md open: connects, connects again after a pause, and gives up on one that is silent.
//
// open() -> WebSocket. after(ms, callback) -> function that calls it off. now() -> ms. pauses() -> iterator of ms.
// wanted() -> symbols to subscribe to, with their sequences. told(message): each message. changed(): the state is another.
// States: "connecting", "live" (the server said hello), "reconnecting" (at `retryAt`, ms of now()).
export class Connection {
  state = "connecting";
  retryAt = null;
  reason = null; // the server's, when it closed the connection over a message of ours

  #parts;
  #socket = null;
  #heardAt = 0;
  #silence = HELLO_WITHIN_MS;
  #pauses;
  #callOff = () => {};

  constructor(parts) {
    this.#parts = parts;
    this.#pauses = parts.pauses();
  }

  start() {
    this.#callOff();
    this.#silence = HELLO_WITHIN_MS;
    this.#heardAt = this.#parts.now();
    const socket = this.#parts.open();
    this.#socket = socket;
    // What an older socket still says is for nobody.
    socket.onmessage = ({ data }) => socket === this.#socket && this.#hear(JSON.parse(data));
    socket.onclose = () => socket === this.#socket && this.#retry();
    this.#change("connecting");
    this.#watch();
  }

  // Subscribe anew, after what is wanted has changed; a connection that is not live yet does so when it is.
  subscribe() {
    if (this.state === "live") this.send({ type: "subscribe", symbols: this.#parts.wanted() });
  }

  // Send a message, or drop it where there is no connection.
  send(message) {
    if (this.#socket !== null && this.#socket.readyState === OPEN) this.#socket.send(JSON.stringify(message));
  }

  // Do not wait any longer: the page is shown again, or the network is back.
  wake() {
    if (this.state === "reconnecting") this.start();
    else if (this.#isSilent()) this.#retry();
  }

  #hear(message) {
    this.#heardAt = this.#parts.now();
    if (message.type === "error") {
      this.reason = message.reason;
    } else if (message.type === "hello") {
      this.#silence = SILENT_BEATS * message.heartbeat_ms;
      this.#parts.told(message);
      this.#change("live");
      this.subscribe();
      this.#watch();
    } else {
      // Only now: a server that says hello and then closes is not one to ask four times a second.
      this.#pauses = this.#parts.pauses();
      this.reason = null;
      this.#parts.told(message);
    }
  }

  #isSilent() {
    return this.#parts.now() - this.#heardAt >= this.#silence;
  }

  #watch() {
    this.#callOff();
    const rest = this.#heardAt + this.#silence - this.#parts.now();
    this.#callOff = this.#parts.after(Math.max(rest, 1), () => (this.#isSilent() ? this.#retry() : this.#watch()));
  }

  #retry() {
    this.#callOff();
    const socket = this.#socket;
    this.#socket = null;
    // A dead peer answers no closing handshake: nothing waits for it.
    socket?.close();
    const pause = this.#pauses.next().value;
    this.retryAt = this.#parts.now() + pause;
    this.#callOff = this.#parts.after(pause, () => this.start());
    this.#change("reconnecting");
  }

  #change(state) {
    this.state = state;
    if (state !== "reconnecting") this.retryAt = null;
    this.#parts.changed();
  }
}
