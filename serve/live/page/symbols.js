const PLAIN = /^[A-Za-z0-9_-]{1,40}$/;
const USUAL = "BTCUSDT";

// Return the symbol that the address of the page names after its #, null without one.
export function symbolIn(hash) {
  const name = hash.slice(1);
  return PLAIN.test(name) ? name.toUpperCase() : null;
}

// Ask the server which symbols have data: null when it does not answer as it should.
export async function fetchSymbols(address) {
  try {
    const answer = await fetch(address, { cache: "no-store" });
    return { symbols: answer.ok ? (await answer.json()).symbols : null, needsToken: answer.status === 401 };
  } catch (error) {
    if (error instanceof TypeError || error instanceof SyntaxError) return { symbols: null, needsToken: false };
    throw error;
  }
}

// Return the symbol to show where none is named, null of none.
export function firstChoice(symbols) {
  const names = symbols.map((each) => each.symbol);
  return names.includes(USUAL) ? USUAL : (names[0] ?? null);
}

// Fill the picker, leaving it alone while nothing is another: an open list would close.
export function fillPicker(select, symbols, symbol) {
  const options = symbols.map((each) => [each.symbol, `${each.base} / ${each.quote}`]);
  if (symbol !== null && !symbols.some((each) => each.symbol === symbol)) options.push([symbol, symbol]);
  const before = [...select.options].map((option) => option.value);
  if (before.join() !== options.map(([value]) => value).join()) {
    select.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
  }
  select.disabled = options.length === 0;
  if (symbol !== null) select.value = symbol;
}
