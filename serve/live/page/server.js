// Where our server is asked. An address of the page with ?token=... hands the token on: who reads data has to know it.
export class Server {
  #location;

  // location: the page's, or another object with protocol, host and search.
  constructor(location) {
    this.#location = location;
  }

  get symbols() {
    return `/api/symbols${this.#query}`;
  }

  get socket() {
    const { protocol, host } = this.#location;
    return `${protocol === "https:" ? "wss" : "ws"}://${host}/ws${this.#query}`;
  }

  get #query() {
    const token = new URLSearchParams(this.#location.search).get("token");
    return token === null ? "" : `?${new URLSearchParams({ token })}`;
  }
}
