// Asking the API: addresses, and answers or what is wrong with the question.

// The path of a question; a field that is empty is not given.
export function pathOf(key, values, format) {
  const given = Object.entries(values).filter(([, value]) => value !== "");
  if (format) given.push(["format", format]);
  const query = new URLSearchParams(given).toString();
  return `/api/q/${encodeURIComponent(key)}${query ? `?${query}` : ""}`;
}

// What a problem says, in one line.
export function said(problem) {
  const parts = [];
  if (problem.expected) parts.push(`expected ${problem.expected}`);
  if (problem.found) parts.push(`found ${problem.found}`);
  const line = parts.length ? `${problem.error}: ${parts.join(", ")}` : problem.error;
  return problem.hint ? `${line} (${problem.hint})` : line;
}

// Ask, and return the body; throws an Error that says why there is none.
export async function ask(path, token, signal) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const answer = await fetch(path, { headers, signal });
  const body = await answer.json().catch(() => ({ error: `the server answered ${answer.status}` }));
  if (!answer.ok) throw new Error(said(body));
  return body;
}
