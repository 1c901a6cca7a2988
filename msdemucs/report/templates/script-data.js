const parse = (id) => JSON.parse(document.getElementById(id).textContent);
const data = parse("data");
const figures = parse("figures");
const root = document.documentElement;
const byId = (id) => document.getElementById(id);
const table = data.tables.trials;
const rowOf = new Map(table.rows.map((row) => [row[0], row]));
const armOf = new Map(data.arms.flatMap((arm) => arm.trials.map((trial) => [trial, arm])));
// All trials that one point of a figure stands for: trainings of one spec.
const matesOf = (trial) => (armOf.has(trial) ? armOf.get(trial).trials : [trial]);

// What a reader has chosen; everything on the page is drawn from it.
const state = {
  selected: null, // a trial
  chosen: new Set(), // it, and all of its arm where a point stands for several
  brush: null, // trials inside a box drawn in a figure
  axes: new Map(), // index of a parallel axis -> [low, high] of the places kept on it
  phrase: "",
  states: new Set(table.rows.map((row) => row[1])),
  ranges: new Map(), // column -> [low, high]
  colour: data.colour,
};

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const nameOf = (row) => row[4][0];

// A trial's quality and main cost with their headers, as far as they are known.
const numbersOf = (row) => table.columns.flatMap((column, index) =>
  (data.axes.includes(column.key) && row[4][index] !== "–" ? [`${column.header} ${row[4][index]}`] : []));

// A cell's value: a number (NaN when it was not measured) or a text.
function valueOf(columns, row, column) {
  const value = row[5][column];
  if (columns[column].kind === "number") return value === null ? NaN : value;
  return value === null ? row[4][column] : value;
}

const collator = new Intl.Collator(undefined, { numeric: true });

const PREFIXES = { k: 1e3, M: 1e6, G: 1e9, T: 1e12, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 };

// "2.7G" -> 2.7e9, "1.5 GiB" -> 1.5 * 2**30; NaN for what is no number.
function parseNumber(text) {
  const match = /^\s*([-−]?[\d.]+(?:e[-+]?\d+)?)\s*(Ki|Mi|Gi|[kMGT])?/i.exec(text);
  if (!match) return NaN;
  const prefix = Object.keys(PREFIXES).find((key) => key.toLowerCase() === (match[2] || "").toLowerCase());
  return Number(match[1].replace("−", "-")) * (prefix ? PREFIXES[prefix] : 1);
}

// As msdemucs/units.py writes numbers.
function format(value, unit) {
  const significant = (number) => String(Number(number.toPrecision(4)));
  if (unit === "B") {
    const [size, name] = [[2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]].find(([s]) => value >= s) || [1, "B"];
    return `${(value / size).toFixed(2)}\u00a0${name}`;
  }
  if (unit === "ms") return value < 1000 ? `${value.toFixed(1)}\u00a0ms` : `${(value / 1000).toFixed(2)}\u00a0s`;
  if (unit === "s") return `${significant(value)}\u00a0s`;
  if (unit === "dB") return `${value.toFixed(2)}\u00a0dB`.replace("-", "−");
  const named = unit === "count" ? "" : unit;
  const [size, prefix] = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]].find(([s]) => Math.abs(value) >= s) || [1, ""];
  return `${significant(value / size)}\u00a0${prefix}${named}`.trim();
}

async function copy(text, button) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = element("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = before; }, 1500);
}
