// SPDX-License-Identifier: Apache-2.0
// Reads the server's events and keeps the page: what is new is told, what is not stays.
"use strict";

const $ = (id) => document.getElementById(id);
const MARKS = { ok: "✓", warning: "▲", error: "■", stale: "?", off: "○" };
const WORDS = { stale: "silent" };
const MOST_ROWS = 250;
const ANNOUNCE_MS = 3000;
const SILENT_MS = 4000;
const page = {
  begin: {}, mission: null, units: {}, power: null, sky: null, values: {}, deposit: null,
  log: [], histories: new Histories(), panels: [], spectra: new Map(),
  chosen: null, held: false, over: false, lastNews: Date.now(), hovered: null,
};
const map = new SiteMap($("canvas"));

function set(id, text) {
  const target = $(id);
  if (target.textContent !== text) target.textContent = text;
}

function chip(level, text) {
  const made = element("span", undefined, `level ${level}`);
  const mark = element("span", MARKS[level] ?? "?");
  mark.setAttribute("aria-hidden", "true");
  made.append(mark, element("span", text ?? WORDS[level] ?? level));
  return made;
}

function state(className, mark, text) {
  $("state").className = `state ${className}`;
  set("state-text", text);
  $("state").querySelector(".mark").textContent = mark;
}

// --- from the server -------------------------------------------------------------------------

function take(update) {
  page.lastNews = Date.now();
  if (update.begin) begin(update.begin);
  if (update.histories) page.histories.take(update.histories);
  if (update.track) {
    map.track.length = update.track.first;
    map.track.push(...update.track.points);
  }
  if (update.log) {
    page.log.push(...update.log);
    page.log.splice(0, Math.max(0, page.log.length - 2 * MOST_ROWS));
    announce(update.log);
  }
  for (const name of ["mission", "units", "power", "sky", "values", "deposit"]) {
    if (update[name] !== undefined) page[name] = update[name];
  }
  if (update.path) map.path = update.path;
  if (update.rover) map.rover = update.rover;
  if (update.faults) page.faults = update.faults;
  if (update.spectra) page.spectrumTables = update.spectra;
  if (!page.held) show(update);
}

function begin(told) {
  Object.assign(page, { begin: told, log: [], histories: new Histories(), values: {}, faults: [], units: {}, deposit: null });
  Object.assign(map, { track: [], path: [], rover: null, goals: told.goals });
  const seed = told.seed === null ? "" : `, seed ${told.seed}`;
  set("scenario", told.name ? `${told.name}${seed}, on ${told.bus}` : `a system on ${told.bus}`);
  $("scenario").title = told.description;
  $("panels").replaceChildren();
  page.panels = told.panels.map((panel) => new Panel(panel, $("panels"), hover));
  $("entries").replaceChildren();
  $("units").replaceChildren();
}

// --- on the page -----------------------------------------------------------------------------

function show(update) {
  if (update.mission) showMission();
  if (update.units || update.power) showUnits();
  if (update.rover || update.path || update.track || update.sky || update.deposit || update.begin) showMap();
  if (update.histories || update.values) showCharts();
  if (update.power || update.values) showPower();
  if (update.deposit) showDeposit();
  if (update.spectra) showSpectra();
  if (update.faults) showFaults();
  if (update.log) addEntries(update.log);
  showAlarms();
}

function showAll() {
  $("entries").replaceChildren();
  show(Object.fromEntries(["mission", "units", "rover", "path", "track", "sky", "histories", "values", "power"].map((k) => [k, true])));
  if (page.deposit) showDeposit();
  if (page.spectrumTables) showSpectra();
  if (page.faults) showFaults();
  addEntries(page.log);
}

function showMission() {
  const m = page.mission;
  set("time", clock(m.time_s) + (page.begin.duration_s ? ` of ${clock(page.begin.duration_s)}` : ""));
  set("utc", m.utc.replace("T", " "));
  set("rate", m.rate === null ? "–" : `${m.rate < 10 ? m.rate.toFixed(1) : m.rate.toFixed(0)} ×`);
  set("activity", m.activity.replaceAll("_", " ") || (m.plan === "complete" ? "plan complete" : "none"));
  set("plan", m.total === null ? "–" : `${m.done} of ${m.total}, ${m.plan}`);
  $("flown").value = page.begin.duration_s ? m.time_s / page.begin.duration_s : 0;
  $("flown").hidden = !page.begin.duration_s;
  $("ending").hidden = !m.outcome;
  if (m.outcome) {
    set("ending-title", `The flight has ended: ${m.outcome}${m.cause ? `, ${m.cause}` : ""}`);
    set("results", m.results.join("\n"));
  }
  showState();
}

function showState() {
  const m = page.mission;
  const name = page.begin.name || "LUPEX live";
  if (m?.outcome) {
    const good = m.outcome === "complete";
    state(good ? "good" : "look", good ? "✓" : "▲", `ended: ${m.outcome}`);
    document.title = `${m.outcome} · ${name}`;
  } else if (page.over) {
    state("bad", "■", "ended without a word");
    document.title = `ended · ${name}`;
  } else if (page.lost) {
    state("bad", "■", "connection lost, trying again");
    document.title = `lost · ${name}`;
  } else if (page.held) {
    state("look", "‖", "held: not up to date");
  } else if (m) {
    const quiet = Date.now() - page.lastNews;
    if (quiet > SILENT_MS) state("look", "▲", `no news for ${Math.round(quiet / 1000)} s`);
    else state("good", "▶", "live");
    document.title = `${clock(m.time_s, true)} · ${name}`;
  }
}

function showAlarms() {
  const counts = { error: 0, warning: 0 };
  for (const each of [...Object.values(page.units), ...Object.values(page.values),
    ...(page.faults ?? []).filter((fault) => fault.active)]) if (each.level in counts) counts[each.level] += 1;
  const key = `${counts.error} ${counts.warning}`;
  if (page.alarms === key) return;
  page.alarms = key;
  const shown = ["error", "warning"].filter((level) => counts[level])
    .map((level) => chip(level, `${counts[level]} ${level}${counts[level] > 1 ? "s" : ""}`));
  $("alarms").replaceChildren(...(shown.length ? shown : [chip("ok", "all nominal")]));
}

function showMap() {
  map.sun = page.sky?.sun ?? null;
  map.deposit = page.deposit;
  map.loadShadow();
  map.draw();
  const r = map.rover;
  if (r) {
    const heading = ((90 - (r.yaw_rad * 180) / Math.PI) % 360 + 360) % 360;
    const goal = map.path.at(-1);
    const away = goal ? Math.hypot(goal[0] - r.x_m, goal[1] - r.y_m) : 0;
    set("pose", `${metres(r.x_m)} east, ${metres(r.y_m)} north, ± ${digits(r.sigma_m)} m; heading ${heading.toFixed(0)}°; `
      + `${(100 * r.speed_m_s).toFixed(1)} cm/s${away > 1 ? `; goal ${away.toFixed(0)} m away` : ""}`);
    const minute = Math.floor(Date.now() / 5000);
    if (page.described !== minute) {
      page.described = minute;
      $("canvas").setAttribute("aria-label", `Map of the site. Rover at ${$("pose").textContent}. ${map.goals.length} goals.`);
    }
  }
  const { sun, earth, forecast } = page.sky ?? {};
  if (sun) {
    const lit = `${(100 * sun.lit_fraction).toFixed(0)} % of the Sun's disc; elevation ${sun.elevation_deg.toFixed(1)}°, azimuth ${sun.azimuth_deg.toFixed(0)}°`;
    const ahead = !forecast ? "" : forecast.lit_for_s ? `; light expected for ${span(forecast.lit_for_s)}`
      : forecast.dark_for_s ? `; dark expected for ${span(forecast.dark_for_s)}` : "";
    set("light", lit + ahead);
  }
  if (earth) set("earth", `${earth.visible ? "in sight" : "below the horizon"}; elevation ${earth.elevation_deg.toFixed(1)}°`);
}

function metres(value) {
  return `${value.toFixed(1).replace("-", "−")} m`;
}

function span(seconds) {
  return seconds >= 172800 ? `${(seconds / 86400).toFixed(1)} d` : seconds >= 5400 ? `${(seconds / 3600).toFixed(1)} h` : `${(seconds / 60).toFixed(0)} min`;
}

function valueOf(title, name) {
  const line = page.begin.panels?.find((panel) => panel.title.startsWith(title))?.lines.find((each) => each.name === name);
  return line ? page.values[line.row]?.value ?? null : null;
}

function showPower() {
  const battery = valueOf("Power", "out of the battery");
  const flow = battery === null ? "" : battery < -0.5 ? `, takes ${digits(-battery)} W` : battery > 0.5 ? `, gives ${digits(battery)} W` : ", at rest";
  set("power", `Array ${digits(valueOf("Power", "array"))} W, loads ${digits(valueOf("Loads", "loads"))} W, `
    + `battery ${digits(valueOf("State", "state of charge"))} %${flow}`);
}

function showDeposit() {
  const d = page.deposit;
  set("deposit", d.detected
    ? `Deposit found at ${digits(d.x_m)} m east, ${digits(d.y_m)} m north: ${digits(d.estimate_wt_percent)} ± ${digits(d.standard_error_wt_percent)} wt% water`
    : `No deposit found; below ${digits(d.upper_limit_wt_percent)} wt% water with 95 % confidence`);
}

function chartRange() {
  const now = page.mission?.time_s ?? 1;
  const wanted = Number($("window").value);
  return [wanted ? Math.max(0, now - wanted) : 0, Math.max(now, 1)];
}

function showCharts() {
  const range = chartRange();
  for (const panel of page.panels) panel.draw(page.histories, range);
  showValues();
}

function readTime() {
  if (page.hovered !== null) return page.hovered;
  const part = Number($("read").value) / Number($("read").max);
  const [from, to] = chartRange();
  return part >= 1 ? null : from + part * (to - from);
}

function showValues() {
  const at = readTime();
  set("read-at", at === null ? "now" : clock(at));
  for (const panel of page.panels) panel.read(page.histories, page.values, at);
}

function hover(timeS) {
  if (page.hovered === timeS) return;
  page.hovered = timeS;
  showValues();
}

function showSpectra() {
  for (const [topic, table] of Object.entries(page.spectrumTables)) {
    if (!page.spectra.has(topic)) page.spectra.set(topic, new Spectrum(topic, $("spectra")));
    page.spectra.get(topic).draw(table);
  }
}

function showUnits() {
  const body = $("units");
  for (const [name, unit] of Object.entries(page.units)) {
    let row = body.querySelector(`[data-unit="${CSS.escape(name)}"]`);
    if (!row) {
      row = element("tr");
      row.dataset.unit = name;
      const button = element("button", name.replaceAll("_", " "));
      button.type = "button";
      button.setAttribute("aria-pressed", "false");
      button.addEventListener("click", () => choose(name));
      const head = element("td");
      head.append(button);
      row.append(head, element("td"), element("td"), element("td", "", "num"));
      body.append(row);
    }
    const [, mode, health, load] = row.cells;
    const text = unit.mode.replaceAll("_", " ") || "–";
    if (mode.textContent !== text) mode.textContent = text;
    const key = `${unit.level} ${unit.message}`;
    if (row.dataset.key !== key) {
      row.dataset.key = key;
      const said = chip(unit.level);
      said.title = unit.message;
      health.replaceChildren(said);
    }
    const power = page.power?.loads[name];
    load.textContent = power === undefined || unit.level === "off" ? "" : power.toFixed(1);
  }
  showUnit();
}

function choose(name) {
  page.chosen = name;
  for (const button of $("units").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(button.closest("tr").dataset.unit === name));
  }
  $("unit").replaceChildren();
  showUnit();
  $("unit-title").scrollIntoView({ block: "nearest" });
}

function showUnit() {
  const unit = page.units[page.chosen];
  if (!unit) return;
  const word = WORDS[unit.level] ?? unit.level;
  set("unit-title", `${page.chosen.replaceAll("_", " ")}, of ${unit.group}: ${word}${unit.message && unit.message !== word ? `, ${unit.message}` : ""}`);
  const list = $("unit");
  for (const [key, value] of Object.entries(unit.values)) {
    let item = list.querySelector(`[data-key="${CSS.escape(key)}"]`);
    if (!item) {
      item = element("div");
      item.dataset.key = key;
      item.append(element("dt", key), element("dd"));
      list.append(item);
    }
    if (item.lastChild.textContent !== value) item.lastChild.textContent = value;
  }
}

function showFaults() {
  const faults = [...page.faults].sort((a, b) => b.active - a.active || b.since_s - a.since_s);
  $("no-faults").hidden = faults.length > 0;
  $("faults").replaceChildren(...faults.map((fault) => {
    const item = element("li");
    const head = element("div");
    head.append(fault.active ? chip(fault.level) : chip("ok", "cleared"), " ",
      element("strong", `${fault.unit}: ${fault.name}`), ` ${fault.active ? "since" : "at"} ${clock(fault.since_s)}`);
    item.append(head, element("p", fault.message));
    return item;
  }));
}

function wanted(entry) {
  if (entry.kind === "command" && !$("show-command").checked && entry.level === "ok") return false;
  return !$("only-warnings").checked || entry.level !== "ok";
}

function addEntries(entries) {
  const body = $("entries");
  const rows = entries.filter(wanted).slice(-MOST_ROWS).map((entry) => {
    const row = element("tr");
    const level = element("td"), what = element("td");
    const said = chip(entry.level);
    if (entry.level === "ok") said.lastChild.className = "hidden";
    level.append(said);
    const over = entry.kind === "fault" && entry.level === "ok" ? "cleared " : "";
    const kind = entry.kind === "event" ? "" : `${entry.kind} ${over}`;
    what.append(element("span", `${entry.unit.replaceAll("_", " ")} · ${kind}`, "kind"),
      element("span", entry.name, "what"), ` ${entry.message}`);
    row.append(element("td", clock(entry.time_s), "num"), level, what);
    return row;
  });
  const before = $("log").scrollTop, high = body.offsetHeight;
  body.prepend(...rows.reverse());
  while (body.rows.length > MOST_ROWS) body.lastElementChild.remove();
  // who reads older lines keeps them in place
  if (before > 0) $("log").scrollTop = before + body.offsetHeight - high;
}

const unread = [];
function announce(entries) {
  unread.push(...entries.filter((entry) => entry.kind !== "command" || entry.level !== "ok"));
}

setInterval(() => {
  if (!unread.length) return;
  const worst = unread.filter((entry) => entry.level !== "ok").at(-1) ?? unread.at(-1);
  const said = `${worst.level === "ok" ? "" : worst.level + ": "}${worst.unit.replaceAll("_", " ")}: ${worst.message}`;
  const line = element("p", unread.length > 1 ? `${unread.length} new messages. ${said}` : said);
  $("announce").append(line);
  while ($("announce").childElementCount > 5) $("announce").firstElementChild.remove();
  unread.length = 0;
}, ANNOUNCE_MS);

// --- what the user does ----------------------------------------------------------------------

function toggle(id, change) {
  const button = $(id);
  button.addEventListener("click", () => {
    const on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(on));
    change(on);
  });
}

$("closer").addEventListener("click", () => map.zoom(1.5));
$("farther").addEventListener("click", () => map.zoom(1 / 1.5));
$("fit").addEventListener("click", () => map.fit());
toggle("follow", (on) => {
  map.follow = on;
  if (on && map.scale === null) map.zoom(2);
  map.draw();
});
toggle("shadow", (on) => { map.showShadow = on; map.draw(); });
toggle("hold", (on) => {
  page.held = on;
  if (!on) showAll();
  showState();
});
$("canvas").tabIndex = 0;
$("canvas").addEventListener("keydown", (event) => {
  const moves = { ArrowLeft: [-60, 0], ArrowRight: [60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
  if (event.key in moves) map.move(...moves[event.key]);
  else if (event.key === "+" || event.key === "=") map.zoom(1.5);
  else if (event.key === "-") map.zoom(1 / 1.5);
  else return;
  event.preventDefault();
});
let dragged = null;
$("canvas").addEventListener("pointerdown", (event) => {
  dragged = [event.clientX, event.clientY];
  event.target.setPointerCapture(event.pointerId);
});
$("canvas").addEventListener("pointermove", (event) => {
  if (!dragged) return;
  map.move(dragged[0] - event.clientX, event.clientY - dragged[1]);
  dragged = [event.clientX, event.clientY];
});
$("canvas").addEventListener("pointerup", () => { dragged = null; });
$("canvas").addEventListener("wheel", (event) => {
  event.preventDefault();
  map.zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2);
}, { passive: false });
$("window").addEventListener("change", showCharts);
$("read").addEventListener("input", showValues);
for (const id of ["show-command", "only-warnings"]) {
  $(id).addEventListener("change", () => { $("entries").replaceChildren(); addEntries(page.log); });
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const panel of page.panels) panel.remake();
  map.draw();
});

map.loadGround().then(() => map.loadShadow(), () => {});
const source = new EventSource("updates");
source.onopen = () => { page.lost = false; showState(); };
source.onmessage = (event) => take(JSON.parse(event.data));
source.onerror = () => { page.lost = true; showState(); };
source.addEventListener("end", () => { source.close(); page.over = true; showState(); });
setInterval(showState, 1000);
