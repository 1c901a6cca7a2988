const SLIDER_STEPS = 1000;

function budgetAt(ladder, position) {
  const share = position / SLIDER_STEPS;
  // The ends are exact, so that the cheapest and the dearest trial can be reached.
  if (share >= 1) return ladder.high;
  return ladder.low * (ladder.high / ladder.low) ** share;
}

function recommend() {
  const ladder = data.budgets[Number(byId("budget-cost").value)];
  const budget = budgetAt(ladder, Number(byId("budget-slider").value));
  byId("budget-value").textContent = format(budget, ladder.unit);
  byId("budget-slider").setAttribute("aria-valuetext", format(budget, ladder.unit));
  const affordable = ladder.steps.filter((step) => step[1] <= budget * (1 + 1e-9));
  const [trial, , cost, quality] = affordable.at(-1) || ladder.steps[0];
  const link = element("a", { class: "trial", href: `#row-${trial}`, "data-trial": trial }, nameOf(rowOf.get(trial)));
  byId("budget-best").replaceChildren(link, `: ${quality} at ${cost}`);
  byId("budget").dataset.trial = trial;
  byId("budget-yaml").textContent = data.recipes[trial] || "";
}

function offerBudgets() {
  if (!data.budgets.length) return;
  byId("budget").hidden = false;
  byId("budget-cost").append(...data.budgets.map((ladder, index) => new Option(ladder.label, index)));
  byId("budget-slider").value = SLIDER_STEPS;
  byId("budget-slider").addEventListener("input", recommend);
  byId("budget-cost").addEventListener("change", recommend);
  recommend();
}
