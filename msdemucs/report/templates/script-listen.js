// Two trials heard in turn, at one position of the same excerpt.
const players = { a: byId("ab-audio-a"), b: byId("ab-audio-b") };
const heard = data.heard.map(([trial]) => trial); // the best first
let side = "a";

// The sound of what was chosen for a side: a trial's, or what all trials share.
async function soundOf(choice) {
  const holder = detailOf(choice === "reference" || choice === "mixture" ? heard[0] : Number(choice));
  await fillDetail(holder);
  const kind = choice === "reference" || choice === "mixture" ? choice : byId("ab-kind").value;
  const source = kind === "mixture" ? "" : byId("ab-source").value;
  return [...holder.querySelectorAll("audio")].find((sound) => sound.dataset.sound === kind && sound.dataset.source === source);
}

async function loadSounds() {
  const { currentTime, paused } = players[side];
  for (const [key, player] of Object.entries(players)) {
    const sound = await soundOf(byId(`ab-${key}`).value);
    if (!sound || player.src === sound.src) continue;
    player.src = sound.src;
    player.currentTime = currentTime;
  }
  if (!paused) await players[side].play();
  tellSound();
}

function turnTo(key) {
  const [from, to] = [players[side], players[key]];
  const { currentTime, paused } = from;
  from.pause();
  side = key;
  to.currentTime = currentTime;
  if (!paused) to.play();
  tellSound();
}

function tellSound() {
  const { value, selectedOptions: [option] } = byId(`ab-${side}`);
  const source = byId("ab-source").value;
  const known = heardOf(Number(value)).find(([name]) => name === source);
  const what = value === "mixture" ? "" : `, ${source}`;
  byId("ab-heard").textContent = `${side.toUpperCase()}: ${option.textContent}${what}${known ? `, ${known[1]} in the excerpt` : ""}`;
  tellPosition();
}

function tellPosition() {
  const player = players[side];
  const length = Number.isFinite(player.duration) ? player.duration : 0;
  const slider = byId("ab-position");
  slider.max = length;
  slider.value = player.currentTime;
  const text = `${player.currentTime.toFixed(1)} s of ${length.toFixed(1)} s`;
  slider.setAttribute("aria-valuetext", text);
  byId("ab-time").textContent = text;
  byId("ab-play").textContent = player.paused ? "Play" : "Pause";
}

function offerSounds() {
  if (!heard.length) return;
  const sources = new Set(heard.flatMap((trial) => heardOf(trial).map(([name]) => name)));
  byId("ab-source").append(...[...sources].map((name) => new Option(name, name)));
  for (const key of Object.keys(players)) {
    const choice = byId(`ab-${key}`);
    choice.append(...heard.map((trial) => new Option(`${nameOf(rowOf.get(trial))} (trial ${trial})`, trial)));
    choice.append(new Option("the reference", "reference"), new Option("the mixture", "mixture"));
    choice.addEventListener("change", loadSounds);
    byId(`ab-side-${key}`).addEventListener("change", () => turnTo(key));
    for (const event of ["timeupdate", "seeked", "loadedmetadata", "play", "pause", "ended"]) {
      players[key].addEventListener(event, () => { if (side === key) tellPosition(); });
    }
  }
  byId("ab-b").selectedIndex = 1;
  for (const id of ["ab-source", "ab-kind"]) byId(id).addEventListener("change", loadSounds);
  byId("ab-play").addEventListener("click", async () => {
    await loadSounds();
    if (players[side].paused) await players[side].play();
    else players[side].pause();
  });
  byId("ab-position").addEventListener("input", (event) => { players[side].currentTime = Number(event.target.value); });
}
