// Ranges on the axes of the parallel coordinates: dragged there, kept like every other filter.
let places = null;

// What each line's trial has on the axes, as the figure has it.
function placesOf(trial) {
  if (!places) {
    places = new Map();
    const { data: traces, layout } = figures.parallel;
    const n = layout.meta.axes.length;
    for (const trace of traces.filter((one) => one.meta.role === "lines")) {
      for (let start = 0; start < trace.y.length; start += n + 1) {
        places.set(trace.customdata[start], trace.y.slice(start, start + n));
      }
    }
  }
  return places.get(trial);
}

function passesAxes(trial) {
  const own = placesOf(trial);
  return own !== undefined && [...state.axes].every(([index, [low, high]]) => own[index] >= low && own[index] <= high);
}

// A box keeps, on every axis that it crosses, what lies between its ends.
function brushAxes({ range }) {
  if (!range) return;
  const [left, right] = [Math.min(...range.x), Math.max(...range.x)];
  const [low, high] = [Math.min(...range.y), Math.max(...range.y)];
  figures.parallel.layout.meta.axes.forEach((axis, index) => {
    if (index >= left && index <= right) state.axes.set(index, [low, high]);
  });
}

// What a range of an axis stands for: its values, or its ends in the axis' unit.
function axisText(index, low, high) {
  const { name, ticks, scale } = figures.parallel.layout.meta.axes[index];
  if (!scale) return `${name}: ${ticks.filter(([place]) => place >= low && place <= high).map(([, text]) => text).join(", ") || "nothing"}`;
  const at = (place) => (scale.is_log ? scale.low * (scale.high / scale.low) ** place : scale.low + place * (scale.high - scale.low));
  const ends = [low > 0 ? `from ${format(at(low), scale.unit)}` : "", high < 1 ? `to ${format(at(high), scale.unit)}` : ""];
  return `${name} ${ends.filter(Boolean).join(" ") || "known"}`;
}

// Lines that filters drop turn faint, and ranges are drawn on their axes.
function dressAxes(traces, layout, kept, style) {
  const dropped = traces.find((trace) => trace.meta.role === "dropped-lines");
  const accent = style.getPropertyValue("--accent").trim();
  for (const trace of traces.filter((one) => one.meta.role === "lines")) {
    const [x, y, trials] = [[], [], []];
    trace.customdata.forEach((trial, index) => {
      const isKept = !kept || kept.has(trial);
      (isKept ? x : dropped.x).push(trace.x[index]);
      (isKept ? y : dropped.y).push(trace.y[index]);
      if (isKept) trials.push(trial);
    });
    Object.assign(trace, { x, y, customdata: trials, hovertext: trials.map((trial) => hoverOf(trial)) });
  }
  for (const [index, [low, high]] of state.axes) {
    layout.shapes.push({
      type: "rect", x0: index - 0.03, x1: index + 0.03, y0: Math.max(low, -0.04), y1: Math.min(high, 1.04),
      line: { color: accent, width: 1.5 }, fillcolor: accent, opacity: 0.35,
    });
  }
}
