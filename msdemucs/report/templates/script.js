const bar = byId("selected");

function select(trial, isArm = false) {
  state.selected = trial;
  state.chosen = new Set(trial === null ? [] : isArm ? matesOf(trial) : [trial]);
  for (const row of document.querySelectorAll("tr[data-trial]")) {
    if (state.chosen.has(Number(row.dataset.trial))) row.setAttribute("aria-current", "true");
    else row.removeAttribute("aria-current");
  }
  const row = trial === null ? undefined : rowOf.get(trial);
  bar.hidden = row === undefined;
  if (row) {
    const texts = [nameOf(row), row[1], ...numbersOf(row)];
    const arm = state.chosen.size > 1 ? armOf.get(trial) : undefined;
    const said = arm ? [nameOf(row), `${arm.trials.length} trials`, ...Object.entries(arm.means).map(([header, text]) => `${header} ${text}`)] : texts;
    bar.querySelector(".what").textContent = said.slice(0, 4).join(" · ");
    bar.querySelector(".to-row").href = `#row-${trial}`;
    bar.querySelector(".to-detail").href = `#trial-${trial}`;
  }
  redraw();
}

// Brings a trial's row into the table, past filters and the limit of rows.
function showRow(trial) {
  if (byId(`row-${trial}`)) return;
  if (!passes(rowOf.get(trial))) clearFilters();
  shownRows.trials = Math.max(shownRows.trials, sorted("trials", filtered()).findIndex((row) => row[0] === trial) + 1);
  fillTable("trials");
}

function clearFilters() {
  state.brush = null;
  state.axes.clear();
  state.phrase = "";
  byId("find").value = "";
  state.ranges.clear();
  for (const button of document.querySelectorAll("#state-chips button")) {
    state.states.add(button.dataset.state);
    button.setAttribute("aria-pressed", "true");
    button.classList.add("on");
  }
  showRange();
  update();
}

async function follow() {
  const match = /^#(row|trial)-(\d+)$/.exec(location.hash);
  if (!match) return;
  const trial = Number(match[2]);
  if (!rowOf.has(trial)) return;
  if (match[1] === "row") showRow(trial);
  else {
    const holder = detailOf(trial);
    holder.open = true;
    await fillDetail(holder);
  }
  // sentences and budgets speak of specs and link to rows; a row of the table is one training
  if (match[1] === "row" && state.chosen.has(trial)) select(trial, state.chosen.size > 1);
  else select(trial, match[1] === "row");
  byId(match[0].slice(1)).scrollIntoView({ block: match[1] === "row" ? "center" : "start" });
}

document.addEventListener("click", (event) => {
  const { target } = event;
  if (target.closest(".copy")) {
    const button = target.closest(".copy");
    return copy(button.parentElement.querySelector("pre").textContent, button);
  }
  const button = target.closest("thead button");
  if (button) return sort(button);
  if (target.closest(".clear")) return select(null);
  const link = target.closest("a[href^='#']");
  if (link && link.hash === location.hash) return follow();
  const row = target.closest("tbody tr[data-trial]");
  if (row && !link) select(Number(row.dataset.trial));
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  if (state.selected !== null) select(null);
  else if (isFiltered()) clearFilters();
});
addEventListener("hashchange", follow);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
// Paper is light, narrow and cannot be clicked: repaint for it before printing, and again after it.
let opened = [];
addEventListener("beforeprint", () => {
  root.dataset.scheme = "light";
  root.dataset.paper = "true";
  opened = [...document.querySelectorAll("#asked-heading ~ details:not([open]), .found details:not([open]), .notes:not([open])")];
  for (const block of opened) block.open = true;
  draw();
});
addEventListener("afterprint", () => {
  delete root.dataset.scheme;
  delete root.dataset.paper;
  for (const block of opened) block.open = false;
  draw().then(() => plots.forEach((plot) => Plotly.Plots.resize(plot)));
});

let lastResize = 0;
addEventListener("resize", () => {
  clearTimeout(lastResize);
  lastResize = setTimeout(redraw, 150); // names have other places in a plot of another width
});

offerColours();
offerFilters();
offerMore();
offerBudgets();
fillTable("trials");
fillTable("sources");
listDetails();
offerSounds();

// Few points are drawn at once; many only where the reader looks.
const MOST_AT_ONCE = 500;
const isSmall = table.rows.length <= MOST_AT_ONCE;
draw(isSmall ? plots : plots.slice(0, 1)).then(async () => {
  if (!isSmall) {
    const watcher = new IntersectionObserver((entries) => {
      const near = entries.filter((entry) => entry.isIntersecting).map((entry) => entry.target);
      near.forEach((plot) => watcher.unobserve(plot));
      draw(near.filter((plot) => !drawn.has(plot)));
    }, { rootMargin: "300px" });
    plots.forEach((plot) => watcher.observe(plot));
  }
  await follow();
  root.dataset.drawn = "true";
});

// A running study's page loads itself again, but not under the reader's hands.
const liveSeconds = Number(root.dataset.live || 0);
if (liveSeconds) {
  setInterval(() => {
    const isBusy = isFiltered() || state.selected !== null || document.activeElement.matches("input, select")
      || document.querySelector(".trial-detail[open]");
    if (!isBusy) location.reload();
  }, 1000 * liveSeconds);
}
