// Texts beside a plot keep their size when it becomes narrow: they are measured, and have other
// places, more lines or fewer letters.
const ruler = document.createElement("canvas").getContext("2d");
const MOST_OF_WIDTH = 0.45; // of a figure, for the names of its rows
const NARROW_PX = 420;
const ROW_PX = 16;

const unescaped = (text) => text.replace(/&(lt|gt|amp);/g, (_, name) => ({ lt: "<", gt: ">", amp: "&" })[name]);

function lengthOf(text, size = 12) {
  ruler.font = `${size}px ${getComputedStyle(root).getPropertyValue("--sans")}`;
  return Math.max(...text.split("<br>").map((line) => ruler.measureText(unescaped(line)).width));
}

// The text, or as much of it as there is room for.
function cut(text, room, size = 12) {
  if (lengthOf(text, size) <= room) return text;
  let letters = unescaped(text).replace(/…$/, "");
  while (letters.length > 1 && lengthOf(escaped(`${letters}…`), size) > room) letters = letters.slice(0, -1);
  return escaped(`${letters.trimEnd()}…`);
}

// The text broken between words, so that its lines are no longer than the room.
function broken(text, room) {
  const lines = [];
  for (const word of text.split(" ")) {
    const longer = lines.length ? `${lines.at(-1)} ${word}` : word;
    if (lines.length && lengthOf(longer) <= room) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines.join("<br>");
}

function addRows(layout, count) {
  layout.margin.t += ROW_PX * count;
  layout.height += ROW_PX * count;
}

function fitTexts(layout, width) {
  const named = (name) => (layout.annotations || []).filter((note) => note.name === name);
  const rows = layout.yaxis && layout.yaxis.ticktext;
  if (rows) {
    layout.margin.l = Math.min(Math.max(...rows.map((text) => lengthOf(text))) + 14, MOST_OF_WIDTH * width);
    layout.yaxis.ticktext = rows.map((text) => cut(text, layout.margin.l - 14));
  }
  const plotWidth = width - layout.margin.l - layout.margin.r;
  if (plotWidth < NARROW_PX && layout.xaxis.dtick === "D1") layout.xaxis.dtick = "D2";
  fitTitles(layout, named("panel-title"), plotWidth);
  if (named("axis-name").length) fitAxes(layout, named("axis-name"), named("axis-tick"), width);
}

// The lowest row for each text, [left, length], in which it is clear of those before it.
function rowsOf(texts) {
  const ends = [];
  return texts.map(([left, length]) => {
    const clear = ends.findIndex((end) => end + 8 <= left);
    const row = clear < 0 ? ends.length : clear;
    ends[row] = left + length;
    return row;
  });
}

// Titles of panels beside each other: on several lines, or where a word is too long in several rows.
function fitTitles(layout, titles, plotWidth) {
  if (!titles.length) return;
  const rooms = titles.map((title, index) => ((index + 1 < titles.length ? titles[index + 1].x : 1) - title.x) * plotWidth - 8);
  const lines = titles.map((title, index) => broken(title.text, rooms[index]));
  if (lines.every((text, index) => lengthOf(text) <= rooms[index] + 8)) {
    titles.forEach((title, index) => Object.assign(title, { text: lines[index], align: "left" }));
    addRows(layout, Math.max(...lines.map((text) => text.split("<br>").length)) - 1);
  } else {
    const most = plotWidth + layout.margin.r - 4;
    const places = titles.map((title) => [Math.min(title.x * plotWidth, most - lengthOf(title.text)), lengthOf(title.text)]);
    const rows = rowsOf(places);
    titles.forEach((title, index) => {
      Object.assign(title, { xshift: places[index][0] - title.x * plotWidth, yshift: title.yshift + ROW_PX * rows[index] });
    });
    addRows(layout, Math.max(...rows));
  }
}

// Names above upright axes, in as many rows as keep them apart; values beside these, up to the next.
function fitAxes(layout, names, ticks, width) {
  const last = names.length - 1;
  const beyond = Math.max(...ticks.filter((tick) => tick.x === last).map((tick) => lengthOf(tick.text, 11)));
  layout.margin.r = beyond + 12;
  const [low, high] = (layout.xaxis.range = [-0.15, last + 0.05]);
  const plotWidth = width - layout.margin.l - layout.margin.r;
  const step = plotWidth / (high - low);
  const places = names.map((name) => [(name.x - low) * step, lengthOf(name.text)]).map(([at, length]) =>
    [Math.min(Math.max(at - length / 2, 2 - layout.margin.l), width - layout.margin.l - length - 4), length, at]);
  const rows = rowsOf(places);
  names.forEach((name, index) => {
    const [left, , at] = places[index];
    Object.assign(name, { xanchor: "left", xshift: left - at, yshift: 12 + ROW_PX * rows[index] });
  });
  for (const tick of ticks.filter((one) => one.x < last)) {
    const isMet = ticks.some((other) => other.x === tick.x + 1 && Math.abs(other.y - tick.y) < 0.06);
    tick.text = cut(tick.text, (isMet ? 1 : 2) * step - 8, 11);
  }
  addRows(layout, Math.max(...rows) - 1);
}
