const plots = [...document.querySelectorAll(".plot")];
const isTouch = matchMedia("(pointer: coarse)").matches;
const drawn = new Set();
const POINTS = ["front", "tied", "dominated"];
const OF_ARMS = [...POINTS, "rung", "promoted"]; // one point for all trainings of a spec
const barOf = new Map(data.bars.texts.flatMap(([text, trials]) => trials.map((trial) => [trial, text])));
const RAMP = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
const MOST_COLOURS = 8;
const MOST_HOVER_LINES = 12;

// Figures name their colours and font as the page does; plotly needs them resolved.
function resolve(value, style) {
  if (typeof value === "string" && value.startsWith("var(")) {
    return style.getPropertyValue(value.slice(4, -1)).trim();
  }
  if (Array.isArray(value)) {
    const isPlain = typeof value[0] === "number" && typeof value.at(-1) === "number";
    return isPlain ? value : value.map((item) => resolve(item, style)); // thousands of coordinates
  }
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, resolve(item, style)]));
  }
  return value;
}

const escaped = (text) => text.replace(/[&<>]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[sign]);

function hover(trial, isArm) {
  const row = rowOf.get(trial);
  if (!row) return `trial ${trial}`;
  const means = isArm && armOf.has(trial) ? armOf.get(trial).means : null;
  const bar = isArm ? barOf.get(trial) : undefined;
  const lines = table.columns.flatMap((column, index) => {
    if (column.kind !== "number" || column.hidden) return [];
    const text = means ? means[column.header] : row[5][index] !== null ? row[4][index] : undefined;
    if (text === undefined) return [];
    return [`${column.header}: ${text}${bar && column.header === data.bars.quality ? ` ${bar}` : ""}`];
  });
  if (bar && data.bars.convention) lines.push(data.bars.convention);
  if (means) lines.push(`trials ${matesOf(trial).toSorted((a, b) => a - b).join(", ")}`);
  const changes = table.columns.findIndex((column) => column.key === "differences");
  const all = row[4][changes] === "–" ? ["as the base"] : row[4][changes].split("; ");
  const shown = all.slice(0, MOST_HOVER_LINES);
  if (all.length > shown.length) shown.push(`… and ${all.length - shown.length} more`);
  return [`<b>${escaped(nameOf(row))}</b>`, ...lines.map(escaped), ...shown.map(escaped)].join("<br>");
}

const hovers = new Map();
function hoverOf(trial, isArm = false) {
  const key = isArm ? `arm ${trial}` : trial;
  if (!hovers.has(key)) hovers.set(key, hover(trial, isArm));
  return hovers.get(key);
}

// What points are coloured by: {of: trial -> colour or null, legend: [[colour, text]]}.
function colouring(style) {
  if (!state.colour) return null;
  const [kind, name] = [state.colour[0], Number(state.colour.slice(1))];
  const muted = style.getPropertyValue("--muted").trim();
  const values = new Map();
  let texts = [];
  let isNumeric = true;
  if (kind === "f") {
    const field = data.fields[name];
    isNumeric = field.numeric && field.values.length > 5;
    texts = field.values;
    field.trials.forEach((trial, index) => {
      const code = field.codes[index];
      if (code >= 0) values.set(trial, isNumeric ? Number(field.values[code]) : code);
    });
  } else {
    for (const row of table.rows) values.set(row[0], valueOf(table.columns, row, name));
  }
  return isNumeric ? ramp(values, kind === "f" ? "" : table.columns[name].unit) : palette(values, texts, style, muted, kind === "f" && data.fields[name].ordered);
}

function ramp(values, unit) {
  const finite = [...values.values()].filter(Number.isFinite);
  const [low, high] = finite.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
  const isLog = low > 0 && high / low >= 10;
  const place = (v) => (isLog ? Math.log(v / low) / Math.log(high / low) : (v - low) / (high - low || 1));
  const colour = (share) => {
    const at = Math.min(Math.max(share, 0), 1) * (RAMP.length - 1);
    const index = Math.min(Math.floor(at), RAMP.length - 2);
    const mixed = RAMP[index].map((from, i) => Math.round(from + (at - index) * (RAMP[index + 1][i] - from)));
    return `rgb(${mixed.join(",")})`;
  };
  const stops = [0, 0.25, 0.5, 0.75, 1];
  const at = (share) => (isLog ? low * (high / low) ** share : low + share * (high - low));
  return {
    of: (trial) => (Number.isFinite(values.get(trial)) ? colour(place(values.get(trial))) : null),
    legend: finite.length ? stops.map((share) => [colour(share), format(at(share), unit)]) : [],
  };
}

function palette(values, texts, style, muted, isOrdered) {
  const counts = new Map();
  for (const code of values.values()) counts.set(code, (counts.get(code) || 0) + 1);
  const common = [...counts.keys()].sort((a, b) => (isOrdered ? a - b : counts.get(b) - counts.get(a))).slice(0, MOST_COLOURS);
  // An ordered value has the colour of its place among all, whatever else is there.
  const colours = new Map(common.map((code, index) => [code, style.getPropertyValue(`--c${(isOrdered ? code : index) + 1}`).trim()]));
  const legend = common.map((code) => [colours.get(code), texts[code]]);
  if (counts.size > common.length) legend.push([muted, `${counts.size - common.length} other values`]);
  return { of: (trial) => colours.get(values.get(trial)) || muted, legend };
}

// Fills in what depends on the reader: hover texts, colours, the selection, what filters dim.
function dress(traces, colours, kept, style) {
  const [ink, muted] = ["--ink", "--muted"].map((name) => style.getPropertyValue(name).trim());
  for (const trace of traces) {
    if (!trace.customdata || trace.meta.role === "curve" || trace.meta.role === "lines") continue;
    const isArms = OF_ARMS.includes(trace.meta.role);
    if (trace.hoverinfo === "text") trace.hovertext = trace.customdata.map((trial) => hoverOf(trial, isArms));
    if (kept) {
      const isKept = (trial) => (isArms ? matesOf(trial).some((mate) => kept.has(mate)) : kept.has(trial));
      trace.selectedpoints = trace.customdata.flatMap((trial, index) => (isKept(trial) ? [index] : []));
      trace.unselected = { marker: { opacity: 0.12 }, textfont: { color: "rgba(0,0,0,0)" } };
    } else {
      trace.selectedpoints = null;
    }
    if (colours && POINTS.includes(trace.meta.role)) {
      const own = trace.customdata.map((trial) => colours.of(trial) || "rgba(0,0,0,0)");
      const edges = trace.customdata.map((trial) => colours.of(trial) || muted); // seen without a value
      trace.marker.line.color = trace.meta.role === "front" ? ink : edges;
      trace.marker.color = own;
    }
  }
  const mark = traces.find((trace) => trace.meta.role === "selection");
  if (!mark) return;
  [mark.x, mark.y] = [[], []];
  if (state.selected === null) return;
  for (const trace of traces) {
    const isArms = OF_ARMS.includes(trace.meta.role);
    (trace.customdata || []).forEach((trial, index) => {
      if (!(isArms ? matesOf(trial).some((mate) => state.chosen.has(mate)) : state.chosen.has(trial))) return;
      mark.x.push(trace.x[index]);
      mark.y.push(trace.y[index]);
    });
  }
}

// Names beside points as they were placed for the widest plot that is no wider than this one.
function placeNames(traces, width) {
  for (const trace of traces) {
    if (!trace.meta.labels) continue;
    const fits = trace.meta.labels.filter(([least]) => least <= width).at(-1) || trace.meta.labels[0];
    [, trace.text, trace.textposition] = fits;
  }
}

function drawOne(plot, colours, kept, style) {
  const { data: traces, layout } = resolve(figures[plot.dataset.figure], style);
  const canBrush = traces.some((trace) => POINTS.includes(trace.meta.role) || trace.meta.role === "lines");
  if (root.dataset.paper) layout.width = plot.clientWidth;
  layout.dragmode = isTouch ? false : canBrush ? "select" : "zoom";
  fitTexts(layout, plot.clientWidth);
  plot.style.height = `${layout.height}px`;
  placeNames(traces, plot.clientWidth - layout.margin.l - layout.margin.r);
  dress(traces, colours, kept, style);
  if (plot.dataset.figure === "parallel") dressAxes(traces, layout, kept, style);
  const isNew = !drawn.has(plot);
  drawn.add(plot);
  return Plotly.react(plot, traces, layout, {
    responsive: true,
    displaylogo: false,
    modeBarButtons: [canBrush && !isTouch ? (plot.dataset.figure === "parallel" ? ["select2d", "zoom2d"] : ["select2d", "lasso2d", "zoom2d"]) : [], ["toImage", "resetScale2d"]].filter((group) => group.length),
    toImageButtonOptions: { format: "svg", filename: plot.dataset.figure },
  }).then(() => { if (isNew) listen(plot, canBrush); });
}

function listen(plot, canBrush) {
  plot.on("plotly_click", (event) => {
    const { customdata: trial, data: trace } = event.points[0];
    if (typeof trial === "number") select(trial, OF_ARMS.includes(trace.meta.role));
  });
  if (!canBrush) return;
  plot.on("plotly_selected", (event) => {
    if (!event || !event.range && !event.lassoPoints) return;
    if (plot.dataset.figure === "parallel") {
      brushAxes(event);
      Plotly.relayout(plot, { selections: [] });
      return update();
    }
    const trials = event.points.map((point) => point.customdata).filter((trial) => typeof trial === "number");
    // The page shows what is kept; plotly's own box would stay behind in one figure alone.
    state.brush = trials.length ? new Set(trials.flatMap(matesOf)) : null;
    Plotly.relayout(plot, { selections: [] });
    update();
  });
}

function draw(wanted = plots) {
  const style = getComputedStyle(root);
  const colours = colouring(style);
  showScale(colours);
  const kept = isFiltered() ? new Set(filtered().map((row) => row[0])) : null;
  return Promise.all(wanted.map((plot) => drawOne(plot, colours, kept, style)));
}

const redraw = () => draw(plots.filter((plot) => drawn.has(plot)));

function showScale(colours) {
  const scale = byId("scale");
  scale.replaceChildren(...(colours ? colours.legend : []).map(([colour, text]) => {
    const dot = element("i");
    dot.style.background = colour;
    return element("span", {}, dot, text);
  }));
}

function offerColours() {
  const box = byId("colours");
  const choice = byId("colour");
  if (!table.rows.length) return;
  box.hidden = false;
  choice.append(new Option("front or dominated", ""));
  const fields = element("optgroup", { label: "field of the spec" });
  fields.append(...data.fields.map((field, index) => new Option(field.name, `f${index}`)));
  const numbers = element("optgroup", { label: "number" });
  table.columns.forEach((column, index) => {
    if (column.kind === "number") numbers.append(new Option(column.header, `n${index}`));
  });
  choice.append(...(data.fields.length ? [fields] : []), numbers);
  choice.value = state.colour;
  choice.addEventListener("change", () => { state.colour = choice.value; redraw(); });
}
