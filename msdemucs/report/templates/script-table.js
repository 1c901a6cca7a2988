const FIRST_ROWS = 100;
const sorts = {};
const shownRows = { trials: FIRST_ROWS, sources: FIRST_ROWS }; // very long tables are drawn in parts

const isFiltered = () => state.brush !== null || state.axes.size > 0 || state.phrase !== "" || state.ranges.size > 0
  || table.rows.some((row) => !state.states.has(row[1]));

function passes(row) {
  if (state.brush && !state.brush.has(row[0])) return false;
  if (state.axes.size && !passesAxes(row[0])) return false;
  if (!state.states.has(row[1])) return false;
  for (const [column, [low, high]] of state.ranges) {
    const value = valueOf(table.columns, row, column);
    if (!(value >= low && value <= high)) return false;
  }
  return !state.phrase || searched(`${row[4].join("\u0001")}\u0001trial ${row[0]}`).includes(state.phrase);
}

// A text as a reader types it: blanks that do not break and true minus signs are not on a keyboard.
const searched = (text) => text.toLowerCase().replaceAll("\u00a0", " ").replaceAll("−", "-");

const filtered = () => table.rows.filter(passes);

function sorted(key, rows) {
  const chosen = sorts[key];
  if (!chosen) return rows;
  const { columns } = data.tables[key];
  const isNumber = columns[chosen.column].kind === "number";
  const isName = columns[chosen.column].kind === "name";
  const keyed = rows.map((row) => {
    const value = isName ? row[0] : valueOf(columns, row, chosen.column);
    return { row, value, isMissing: isNumber ? Number.isNaN(value) : value === "" || value === "–" };
  });
  keyed.sort((a, b) => a.isMissing - b.isMissing || (a.isMissing ? 0
    : chosen.sign * (isNumber || isName ? a.value - b.value : collator.compare(a.value, b.value))));
  return keyed.map((item) => item.row);
}

function mark(shape) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.setAttribute("class", "mark");
  svg.setAttribute("viewBox", "0 0 14 14");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#${shape}`);
  svg.append(use);
  return svg;
}

function line(key, columns, row) {
  const [trial, status, isFront, isBaseline, texts] = row;
  const made = element("tr", { "data-trial": trial, "data-state": status });
  if (key === "trials") made.id = `row-${trial}`;
  if (isFront) made.className = "front";
  if (state.chosen.has(trial)) made.setAttribute("aria-current", "true");
  columns.forEach((column, index) => {
    if (column.hidden) return;
    if (column.kind !== "name") {
      const content = column.kind === "text" ? element("div", { class: "clamped" }, texts[index]) : texts[index];
      made.append(element("td", { class: column.kind }, content));
      return;
    }
    const link = element("a", { href: `#trial-${trial}`, "data-trial": trial }, texts[index]);
    const cell = element("th", { scope: "row", class: "name" }, mark(isBaseline ? "diamond" : "circle"), link);
    if (!texts[index].endsWith(`trial ${trial}`)) cell.append(element("span", { class: "quiet number-of" }, ` ${trial}`));
    if (isFront) cell.append(element("span", { class: "visually-hidden" }, " on the study’s front"));
    made.append(cell);
  });
  return made;
}

function fillTable(key) {
  const holder = byId(key);
  if (!holder) return;
  const { columns, rows } = data.tables[key];
  const isMain = key === "trials";
  const wanted = isMain ? filtered() : rows;
  const limit = shownRows[key];
  const inOrder = sorted(key, wanted);
  for (const header of holder.tHead.rows[0].cells) {
    const index = Number(header.dataset.column);
    header.hidden = columns[index].hidden;
    const chosen = sorts[key];
    if (chosen && chosen.column === index) header.setAttribute("aria-sort", chosen.sign > 0 ? "ascending" : "descending");
    else header.removeAttribute("aria-sort");
  }
  holder.tBodies[0].replaceChildren(...inOrder.slice(0, limit).map((row) => line(key, columns, row)));
  const counted = wanted.length === rows.length ? `${rows.length} trials` : `${wanted.length} of ${rows.length} trials`;
  byId(`${key}-count`).textContent = wanted.length > limit ? `${counted}; the first ${limit} are shown` : isMain ? counted : "";
  const more = byId(`${key}-more`);
  more.hidden = wanted.length <= limit;
  more.textContent = `Show ${Math.min(wanted.length - limit, 10 * FIRST_ROWS)} more`;
}

function offerMore() {
  for (const key of Object.keys(shownRows)) {
    const more = byId(`${key}-more`);
    if (more) more.addEventListener("click", () => { shownRows[key] += 10 * FIRST_ROWS; fillTable(key); });
  }
}

function sort(button) {
  const header = button.closest("th");
  const key = header.closest("table").dataset.table;
  const column = Number(header.dataset.column);
  const before = sorts[key];
  const first = data.tables[key].columns[column].bestFirst ? -1 : 1;
  sorts[key] = { column, sign: before && before.column === column ? -before.sign : first };
  fillTable(key);
}

// Everything that depends on which trials are kept.
function update() {
  shownRows.trials = FIRST_ROWS;
  fillTable("trials");
  showFilters();
  redraw();
}

function chip(text, undo) {
  const button = element("button", { type: "button", class: "chip on" }, `${text} ×`);
  button.addEventListener("click", () => { undo(); update(); });
  return button;
}

function showFilters() {
  const chips = [];
  if (state.brush) chips.push(chip(`${state.brush.size} chosen in a figure`, () => { state.brush = null; }));
  for (const [index, [low, high]] of state.axes) {
    chips.push(chip(axisText(index, low, high), () => { state.axes.delete(index); }));
  }
  for (const [column, [low, high]] of state.ranges) {
    const { header, unit } = table.columns[column];
    const ends = [low > -Infinity ? `from ${format(low, unit)}` : "", high < Infinity ? `to ${format(high, unit)}` : ""];
    chips.push(chip(`${header} ${ends.filter(Boolean).join(" ")}`, () => { state.ranges.delete(column); showRange(); }));
  }
  byId("active-filters").replaceChildren(...chips);
}

function showRange() {
  const column = Number(byId("range-column").value);
  const { unit } = table.columns[column];
  const values = table.rows.map((row) => valueOf(table.columns, row, column)).filter(Number.isFinite);
  const [low, high] = state.ranges.get(column) || [-Infinity, Infinity];
  const ends = values.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
  [["range-low", low, ends[0]], ["range-high", high, ends[1]]].forEach(([id, value, end]) => {
    byId(id).value = Number.isFinite(value) ? format(value, unit) : "";
    byId(id).placeholder = Number.isFinite(end) ? format(end, unit) : "";
  });
}

function readRange() {
  const column = Number(byId("range-column").value);
  const scale = table.columns[column].unit;
  const read = (id, fallback) => {
    const text = byId(id).value.trim();
    const value = parseNumber(text);
    byId(id).setAttribute("aria-invalid", String(text !== "" && Number.isNaN(value)));
    if (Number.isNaN(value)) return fallback;
    return scale === "ms" && /\ds$|\d\s+s$/.test(text) ? value * 1000 : value;
  };
  const range = [read("range-low", -Infinity), read("range-high", Infinity)];
  if (range[0] === -Infinity && range[1] === Infinity) state.ranges.delete(column);
  else state.ranges.set(column, range);
  update();
}

function offerFilters() {
  if (!table.rows.length) return;
  byId("find").addEventListener("input", (event) => {
    state.phrase = searched(event.target.value.trim());
    update();
  });
  const counts = new Map();
  for (const row of table.rows) counts.set(row[1], (counts.get(row[1]) || 0) + 1);
  byId("state-chips").append(...[...counts].map(([name, count]) => {
    const button = element("button", { type: "button", class: "chip on", "aria-pressed": "true", "data-state": name }, `${name} ${count}`);
    button.addEventListener("click", () => {
      if (!state.states.delete(name)) state.states.add(name);
      button.setAttribute("aria-pressed", String(state.states.has(name)));
      button.classList.toggle("on", state.states.has(name));
      update();
    });
    return button;
  }));
  table.columns.forEach((column, index) => {
    if (column.kind === "number") byId("range-column").append(new Option(column.header, index));
    if (column.kind === "name") return;
    const box = element("input", { type: "checkbox" });
    box.checked = !column.hidden;
    box.addEventListener("change", () => { column.hidden = !box.checked; hovers.clear(); fillTable("trials"); });
    byId("column-list").append(element("label", {}, box, ` ${column.header}`));
  });
  byId("range-column").addEventListener("change", showRange);
  for (const id of ["range-low", "range-high"]) byId(id).addEventListener("change", readRange);
  byId("csv").addEventListener("click", downloadCsv);
  showRange();
}

// Raw numbers of every column, shown or not, of the trials that filters keep.
function csvText() {
  const quote = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const harmless = (text) => (/^[=+\-@\t]/.test(text) ? `'${text}` : text); // spreadsheets run formulas
  const fields = data.fields.map((field) => [field, new Map(field.trials.map((trial, i) => [trial, field.codes[i]]))]);
  const head = ["trial", "front", ...table.columns.map((column) => column.key), ...fields.map(([field]) => field.name)];
  const lines = sorted("trials", filtered()).map((row) => [
    String(row[0]),
    row[2] ? "yes" : "no",
    ...table.columns.map((column, index) => {
      const value = valueOf(table.columns, row, index);
      if (column.kind === "number") return Number.isNaN(value) ? "" : String(value);
      return harmless(row[4][index] === "–" ? "" : row[4][index]);
    }),
    ...fields.map(([field, codes]) => harmless(codes.get(row[0]) >= 0 ? field.values[codes.get(row[0])] : "")),
  ]);
  return [head, ...lines].map((cells) => cells.map(quote).join(",")).join("\n") + "\n";
}

function downloadCsv() {
  const url = URL.createObjectURL(new Blob([csvText()], { type: "text/csv" }));
  element("a", { href: url, download: `${data.study}.csv` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}
