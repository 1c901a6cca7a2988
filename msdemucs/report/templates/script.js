(() => {
  "use strict";
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const plots = [...document.querySelectorAll(".plot")];
  const root = document.documentElement;
  const isTouch = matchMedia("(pointer: coarse)").matches;
  const bar = document.getElementById("selected");
  let selected = null;

  // Figures name their colours and font as the page does; plotly needs them resolved.
  function resolve(value, style) {
    if (typeof value === "string" && value.startsWith("var(")) {
      return style.getPropertyValue(value.slice(4, -1)).trim();
    }
    if (Array.isArray(value)) return value.map((item) => resolve(item, style));
    if (value !== null && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, resolve(item, style)]));
    }
    return value;
  }

  function draw() {
    const style = getComputedStyle(root);
    return Promise.all(plots.map((plot) => {
      const { data, layout } = resolve(figures[plot.dataset.figure], style);
      layout.dragmode = isTouch ? false : "zoom";
      place(data);
      return Plotly.react(plot, data, layout, {
        responsive: true,
        displaylogo: false,
        modeBarButtons: [["toImage", "resetScale2d"]],
        toImageButtonOptions: { format: "svg", filename: plot.dataset.figure },
      });
    }));
  }

  // Moves a figure's selection trace onto the selected trial's point or curve.
  function place(data) {
    const mark = data.find((trace) => trace.meta.role === "selection");
    [mark.x, mark.y] = [[], []];
    if (selected === null) return;
    for (const trace of data) {
      (trace.customdata || []).forEach((trial, index) => {
        if (trial !== selected) return;
        mark.x.push(trace.x[index]);
        mark.y.push(trace.y[index]);
      });
    }
  }

  function select(trial) {
    selected = trial;
    for (const row of document.querySelectorAll("tr[data-trial]")) {
      if (Number(row.dataset.trial) === trial) row.setAttribute("aria-current", "true");
      else row.removeAttribute("aria-current");
    }
    const row = trial === null ? null : document.getElementById(`row-${trial}`);
    bar.hidden = row === null;
    if (row) {
      bar.querySelector(".what").textContent = [...row.cells].slice(0, 4).map((cell) => cell.innerText).join(" · ");
      bar.querySelector(".to-row").href = `#row-${trial}`;
      bar.querySelector(".to-detail").href = `#trial-${trial}`;
    }
    draw();
  }

  function sort(button) {
    const header = button.closest("th");
    const table = header.closest("table");
    const before = header.getAttribute("aria-sort");
    const first = button.dataset.bestFirst === "true" ? "descending" : "ascending";
    const direction = before === null ? first : before === "ascending" ? "descending" : "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", direction);
    const sign = direction === "ascending" ? 1 : -1;
    const isText = header.matches(".text, .state");
    const keyed = [...table.tBodies[0].rows].map((row) => {
      const text = row.cells[header.cellIndex].dataset.value;
      const value = isText ? text : Number(text);
      return { row, value, isMissing: isText ? text === "" : Number.isNaN(value) };
    });
    keyed.sort((a, b) => a.isMissing - b.isMissing || (a.isMissing ? 0
      : sign * (isText ? a.value.localeCompare(b.value, undefined, { numeric: true }) : a.value - b.value)));
    table.tBodies[0].append(...keyed.map((item) => item.row));
  }

  function follow() {
    const match = /^#(row|trial)-(\d+)$/.exec(location.hash);
    if (!match) return;
    const target = document.getElementById(match[0].slice(1));
    if (!target) return;
    if (match[1] === "trial") target.open = true;
    select(Number(match[2]));
    target.scrollIntoView({ block: match[1] === "row" ? "center" : "start" });
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("thead button");
    if (button) return sort(button);
    if (event.target.closest(".clear")) return select(null);
    const link = event.target.closest("a[href^='#']");
    if (link && link.hash === location.hash) return follow();
    const row = event.target.closest("tbody tr[data-trial]");
    if (row && !link) select(Number(row.dataset.trial));
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && selected !== null) select(null);
  });
  addEventListener("hashchange", follow);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  // Paper is light: repaint before printing, and again after it.
  addEventListener("beforeprint", () => { root.dataset.scheme = "light"; draw(); });
  addEventListener("afterprint", () => { delete root.dataset.scheme; draw(); });

  draw().then(() => {
    for (const plot of plots) {
      plot.on("plotly_click", (event) => {
        const trial = event.points[0].customdata;
        if (typeof trial === "number") select(trial);
      });
    }
    root.dataset.drawn = "true";
    follow();
  });
})();
