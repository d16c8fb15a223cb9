"use strict";

// The page of the service: upload a table, see its checks, the forecast with its band, download it.
// Every text from a table is set as text, never as markup.

const byId = (name) => document.getElementById(name);
const state = { models: [], rows: [], past: [], model: null, asked: null };

async function ask(path, options = {}) {
  const headers = { ...options.headers };
  const token = byId("token").value;
  if (token) headers.Authorization = `Bearer ${token}`;
  const answer = await fetch(path, { ...options, headers });
  if (answer.status === 401) byId("token-row").hidden = false;
  if (!answer.ok) {
    const body = await answer.json().catch(() => ({}));
    const error = new Error();
    error.lines = body.errors || [`the service answered ${answer.status}`];
    throw error;
  }
  return answer;
}

async function post(path, body, accept = "application/json") {
  const headers = { "Content-Type": "application/json", Accept: accept };
  return ask(path, { method: "POST", headers, body: JSON.stringify(body) });
}

async function loadModels() {
  try {
    const found = await (await ask("/models")).json();
    state.models = found.models;
    const options = found.models.map((model) => new Option(model.name, model.name));
    byId("model").replaceChildren(...options);
    if (found.default) byId("model").value = found.default;
    showModel();
    byId("checks").hidden = true;
  } catch (error) {
    showLines("This service cannot be used yet", error.lines || ["it does not answer"], []);
  }
}

function showModel() {
  state.model = state.models.find((model) => model.name === byId("model").value) || null;
  if (!state.model) return;
  const { id, time, targets, past, known, horizon, rhythm } = state.model;
  const covariates = [...past, ...known, ...state.model.static];
  const names = [...id, time, ...targets, ...covariates];
  byId("columns").textContent = `Columns: ${names.join(", ")}. Rows: ${rhythm}.`;
  byId("horizon").placeholder = `${horizon}, as trained`;
  byId("known-row").hidden = known.length === 0;
}

function showLines(verdict, errors, notes) {
  byId("checks").hidden = false;
  byId("verdict").textContent = verdict;
  byId("verdict").className = errors.length ? "bad" : "good";
  const items = [...errors, ...notes].map((line) => {
    const item = document.createElement("li");
    item.textContent = line;
    return item;
  });
  byId("lines").replaceChildren(...items);
}

// A table of many series takes a while: the page says what is done meanwhile.
function showWork(text) {
  showLines(text, [], []);
  byId("verdict").className = "";
}

async function readFile(input) {
  const file = input.files[0];
  return file ? file.text() : null;
}

async function forecast(event) {
  event.preventDefault();
  const button = byId("go");
  button.disabled = true;
  byId("result").hidden = true;
  try {
    if (!state.model) await loadModels();
    if (!state.model) return;
    const rows = await readFile(byId("rows"));
    const known = await readFile(byId("known"));
    const asked = { model: state.model.name, rows };
    showWork("The table is checked ...");
    const found = await (await post("/check", asked)).json();
    if (found.errors.length) {
      showLines("The table cannot be used as it is:", found.errors, found.notes);
      return;
    }
    showWork("The checks found no error. The forecast is made ...");
    if (known !== null) asked.known = known;
    if (byId("horizon").value) asked.horizon = Number(byId("horizon").value);
    const made = await (await post("/predict", asked)).json();
    showLines("The checks found no error.", [], [...found.notes, ...made.notes]);
    state.asked = asked;
    state.rows = made.rows;
    state.past = readPast(rows);
    showResult();
  } catch (error) {
    showLines("No forecast was made:", error.lines || ["the service does not answer"], []);
  } finally {
    button.disabled = false;
  }
}

// The past is drawn from the file itself; a cell in quotes may hold separators.
function cells(line, separator) {
  const found = [""];
  let quoted = false;
  for (const letter of line) {
    if (letter === '"') quoted = !quoted;
    else if (letter === separator && !quoted) found.push("");
    else found[found.length - 1] += letter;
  }
  return found.map((cell) => cell.trim());
}

function readPast(text) {
  const lines = text.replace(/^\uFEFF/, "").split(/\r\n|\r|\n/).filter((line) => line.trim());
  const header = lines[0] || "";
  const counts = [",", ";", "\t"].map((mark) => header.split(mark).length);
  const separator = [",", ";", "\t"][counts.indexOf(Math.max(...counts))];
  const names = cells(header, separator);
  return lines.slice(1).map((line) => {
    const values = cells(line, separator);
    return Object.fromEntries(names.map((name, place) => [name, values[place]]));
  });
}

function idColumns() {
  const names = Object.keys(state.rows[0]);
  return names.slice(0, names.indexOf("cutoff") - 1);
}

function nameOf(row, columns) {
  return columns.map((name) => String(row[name])).join(" / ");
}

function showResult() {
  const ids = idColumns();
  const series = [...new Set(state.rows.map((row) => nameOf(row, ids)))];
  byId("series").replaceChildren(...series.map((name) => new Option(name, name)));
  byId("series-row").hidden = series.length < 2;
  const targets = state.model.targets;
  byId("target").replaceChildren(...targets.map((name) => new Option(name, name)));
  byId("target-row").hidden = targets.length < 2;
  byId("result").hidden = false;
  showNumbers();
  draw();
}

function column(target) {
  const { alias, targets } = state.model;
  return targets.length > 1 ? `${alias}-${target}` : alias;
}

function band(name) {
  const levels = Object.keys(state.rows[0])
    .filter((other) => other.startsWith(`${name}-lo-`))
    .map((other) => Number(other.slice(name.length + 4)))
    .sort((a, b) => a - b);
  return levels.length ? levels[0] : null;
}

function draw() {
  const ids = idColumns();
  const chosen = byId("series").value;
  const target = byId("target").value || state.model.targets[0];
  const name = column(target);
  const rows = state.rows.filter((row) => nameOf(row, ids) === chosen);
  const isSeries = (row) => ids.some((id) => !(id in row)) || nameOf(row, ids) === chosen;
  const isNumber = (row) => Number.isFinite(Number(row[target]));
  const before = state.past.filter(isSeries).filter(isNumber).slice(-3 * rows.length - 20);
  const past = before.map((row) => Number(row[target]));
  const level = band(name);
  const low = level === null ? [] : rows.map((row) => row[`${name}-lo-${level}`]);
  const high = level === null ? [] : rows.map((row) => row[`${name}-hi-${level}`]);
  drawChart(past, rows.map((row) => row[name]), low, high, [before[0], ...rows], level);
}

// The rows are the first one of the past, or nothing, and those ahead.
function drawChart(past, ahead, low, high, [begin, ...rows], level) {
  const svg = byId("chart");
  const width = svg.clientWidth || 600;
  const height = svg.clientHeight || 320;
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const known = [...past, ...ahead, ...low, ...high].filter((value) => value !== null);
  let least = Math.min(...known);
  let most = Math.max(...known);
  if (least === most) [least, most] = [least - 1, most + 1];
  const marks = roundNumbers(least, most);
  least = Math.min(least, marks[0]);
  most = Math.max(most, marks[marks.length - 1]);
  const digits = Math.min(20, Math.max(0, -Math.floor(Math.log10(marks[1] - marks[0]) + 1e-9)));
  const left = 64;
  const bottom = height - 28;
  const count = Math.max(past.length + ahead.length - 1, 1);
  const x = (place) => left + (place / count) * (width - left - 8);
  const y = (value) => bottom - ((value - least) / (most - least)) * (bottom - 12);
  const points = (values, first) => values
    .map((value, place) => (value === null ? "" : `${x(first + place)},${y(value)}`))
    .filter(Boolean);
  const first = past.length;
  const parts = [];
  for (const value of marks) {
    parts.push(shape("line", { class: "axis", x1: left, x2: width - 8, y1: y(value), y2: y(value) }));
    const shown = value.toLocaleString("en", { maximumFractionDigits: digits });
    parts.push(label(shown, left - 6, y(value) + 4, "end"));
  }
  if (low.length) {
    const outline = [...points(high, first), ...points(low, first).reverse()].join(" ");
    parts.push(shape("polygon", { class: "band", points: outline }));
  }
  parts.push(shape("polyline", { class: "past", points: points(past, 0).join(" ") }));
  const from = past.length ? points(past.slice(-1), first - 1) : [];
  const line = [...from, ...points(ahead, first)].join(" ");
  parts.push(shape("polyline", { class: "ahead", points: line }));
  const time = state.model.time;
  const last = rows[rows.length - 1];
  const start = x(first);
  parts.push(shape("line", { class: "axis", x1: start, x2: start, y1: 12, y2: bottom }));
  if (start < width - 180 && start > left + 180) parts.push(label(String(rows[0][time]), start, height - 8, "middle"));
  parts.push(label(String(last[time]), width - 8, height - 8, "end"));
  if (begin && begin[time]) parts.push(label(String(begin[time]), left, height - 8, "start"));
  svg.replaceChildren(...parts);
  const interval = level === null ? "" : ` The band is made to hold ${level} % of the outcomes.`;
  byId("caption").textContent =
    `${rows.length} steps from ${rows[0][time]} to ${last[time]} (thick), after the past.${interval}`;
}

// Three to six multiples of 1, 2 or 5 times a power of ten, of which two enclose the given numbers.
function roundNumbers(least, most) {
  const power = 10 ** Math.floor(Math.log10(most - least));
  const step = [0.2, 0.5, 1, 2, 5].map((times) => times * power)
    .find((size) => Math.ceil(most / size) - Math.floor(least / size) <= 5);
  const first = Math.floor(least / step);
  const last = Math.ceil(most / step);
  return Array.from({ length: last - first + 1 }, (_, place) => (first + place) * step);
}

function shape(kind, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", kind);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function label(text, x, y, anchor) {
  const made = shape("text", { x, y, "text-anchor": anchor });
  made.textContent = text;
  return made;
}

// The file is the one that `forecast predict` writes, to the last digit.
async function download() {
  try {
    const answer = await post("/predict", state.asked, "text/csv");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await answer.blob());
    link.download = "forecast.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  } catch (error) {
    showLines("No file was made:", error.lines || ["the service does not answer"], []);
  }
}

function showNumbers() {
  const names = Object.keys(state.rows[0]);
  const lines = [names, ...state.rows.map((row) => names.map((name) => row[name]))];
  const shown = lines.slice(0, 201).map((line, place) => {
    const row = document.createElement("tr");
    for (const value of line) {
      const cell = document.createElement(place ? "td" : "th");
      const number = typeof value === "number";
      cell.textContent = number ? value.toLocaleString("en", { maximumSignificantDigits: 6 }) : value;
      row.append(cell);
    }
    return row;
  });
  byId("numbers").replaceChildren(...shown);
}

byId("form").addEventListener("submit", forecast);
byId("download").addEventListener("click", download);
byId("model").addEventListener("change", showModel);
byId("token").addEventListener("change", loadModels);
byId("series").addEventListener("change", draw);
byId("target").addEventListener("change", draw);
window.addEventListener("resize", () => byId("result").hidden || draw());
loadModels();
