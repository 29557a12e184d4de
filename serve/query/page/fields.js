// The fields of a query's parameters.

const KINDS = { integer: "number", date: "date" };

// Which element a parameter is filled in by, and with which attributes.
export function fieldOf(name, parameter) {
  const choices = parameter.type === "boolean" ? ["true", "false"] : (parameter.choices ?? []).map(String);
  const value = parameter.default === undefined ? "" : String(parameter.default);
  const shared = { name, required: parameter.required === true, value };
  if (choices.length) return { ...shared, element: "select", choices: shared.required ? choices : ["", ...choices] };
  return {
    ...shared,
    element: "input",
    type: KINDS[parameter.type] ?? "text",
    min: parameter.minimum,
    max: parameter.maximum,
    pattern: parameter.pattern,
    placeholder: parameter.type === "time" ? "2024-03-19T22:05:00Z" : "",
  };
}

export function drawFields(place, parameters) {
  place.replaceChildren(
    ...Object.entries(parameters).map(([name, parameter]) => {
      const [group, label, note] = ["div", "label", "small"].map((element) => document.createElement(element));
      const field = drawn(fieldOf(name, parameter));
      field.id = `field-${name}`;
      note.id = `note-${name}`;
      label.htmlFor = field.id;
      label.textContent = name;
      note.textContent = parameter.required ? `needed: ${parameter.description}` : parameter.description;
      field.setAttribute("aria-describedby", note.id);
      group.append(label, field, note);
      return group;
    }),
  );
}

function drawn({ element, choices = [], ...attributes }) {
  const field = document.createElement(element);
  for (const choice of choices) field.append(new Option(choice, choice));
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) field[name] = value;
  return field;
}
