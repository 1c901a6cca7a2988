const PARCEL = 40;
const placeOf = new Map(data.order.map((trial, index) => [trial, index]));
const parcels = new Map();
let packed = null;

async function parcel(index) {
  packed ||= parse("packed");
  const bytes = Uint8Array.from(atob(packed[index]), (sign) => sign.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

// A trial's details: made by the report with every text escaped, unpacked when first opened.
const filling = new Map();
function fillDetail(holder) {
  if (!filling.has(holder)) filling.set(holder, filled(holder));
  return filling.get(holder);
}

async function filled(holder) {
  const place = placeOf.get(Number(holder.id.slice("trial-".length)));
  const index = Math.floor(place / PARCEL);
  if (!parcels.has(index)) parcels.set(index, parcel(index));
  const body = element("div", { class: "body" });
  body.innerHTML = (await parcels.get(index))[place % PARCEL];
  holder.append(body);
}

// Name and score of each source of a trial that can be heard.
const heardOf = (trial) => (data.heard.find(([other]) => other === trial) || [trial, []])[1];

// Score, cost, spec and sound of a trial, on one line.
function summaryOf(row) {
  const [trial, status] = row;
  const sources = heardOf(trial).length;
  return [
    ...(status === "complete" ? [] : [status]),
    ...numbersOf(row),
    ...(data.specs[placeOf.get(trial)] ? [`extends ${data.specs[placeOf.get(trial)]}`] : []),
    ...(sources ? [`audio of ${sources} source${sources === 1 ? "" : "s"}`] : []),
  ].join(" · ");
}

function detailOf(trial) {
  const found = byId(`trial-${trial}`);
  if (found) return found;
  const row = rowOf.get(trial);
  const name = nameOf(row);
  const summary = element("summary", {}, name);
  if (name !== `trial ${trial}`) summary.append(" ", element("span", { class: "quiet" }, `trial ${trial}`));
  summary.append(" ", element("span", { class: "quiet line" }, summaryOf(row)));
  const made = element("details", { class: "trial-detail", id: `trial-${trial}` }, summary);
  made.addEventListener("toggle", () => { if (made.open) fillDetail(made); });
  const after = [...byId("details").children].find((other) => Number(other.id.slice("trial-".length)) > trial);
  byId("details").insertBefore(made, after || null);
  return made;
}

function listDetails() {
  for (const trial of data.listed) detailOf(trial);
}
