import { digitsOf } from "./decimals.js";
import { SymbolPoints } from "./points.js";

const MOST_KEPT = 10;

// What is known of the symbols that were shown lately, each with its points and the digits of its prices.
export class Market {
  #windows = null;
  #books = new Map();

  // The server's word on windows, {window_ms, slide_ms, history_ms}. Other ones than before make what is known
  // worthless; returns whether they are others.
  configure({ window_ms: length, slide_ms: slide, history_ms: history }) {
    const told = { length, slide, history };
    if (this.#windows !== null && Object.keys(told).every((name) => told[name] === this.#windows[name])) return false;
    this.#windows = told;
    this.#books.clear();
    return true;
  }

  // Return what is known of a symbol, null before the server has said what its windows are.
  book(symbol) {
    if (this.#windows === null) return null;
    const book = this.#books.get(symbol) ?? { points: new SymbolPoints(this.#windows), digits: 0 };
    this.#books.delete(symbol);
    this.#books.set(symbol, book);
    if (this.#books.size > MOST_KEPT) this.#books.delete(this.#books.keys().next().value);
    return book;
  }

  // Take a point into its book; see SymbolPoints.add.
  add(point) {
    const book = this.book(point.symbol);
    book.digits = Math.max(book.digits, digitsOf(point.last));
    return book.points.add(point);
  }
}
