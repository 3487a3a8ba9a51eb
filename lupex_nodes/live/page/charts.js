// SPDX-License-Identifier: Apache-2.0
// Histories as charts: mean as a line, least to greatest as a band, all on one time axis.
"use strict";

const DASHES = [[], [7, 4], [2, 3], [10, 3, 2, 3], [4, 2, 1, 2]];
const STEPS_S = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 10800, 21600, 43200,
  86400, 172800, 432000, 864000];

/** Mission time as hours, minutes, seconds, with days where there are any. */
function clock(seconds, short) {
  const total = Math.max(0, Math.floor(seconds));
  const pad = (number) => String(number).padStart(2, "0");
  const days = Math.floor(total / 86400);
  const hours = Math.floor((total % 86400) / 3600);
  const minutes = Math.floor((total % 3600) / 60);
  const head = days ? `${days}d ` : "";
  return `${head}${pad(hours)}:${pad(minutes)}${short ? "" : ":" + pad(total % 60)}`;
}

function digits(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2).replace("-", "−");
}

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function swatch(colour, dash) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 20 8");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
  for (const [key, value] of Object.entries({ x1: 0, x2: 20, y1: 4, y2: 4, stroke: `var(--${colour})`,
    "stroke-width": 2.5, "stroke-dasharray": dash.join(" ") })) line.setAttribute(key, value);
  svg.append(line);
  return svg;
}

/** What the server told of all signals: three columns each, on spans of equal length. */
class Histories {
  constructor() {
    this.spanS = 1;
    this.count = 0;
    this.signals = new Map();
  }

  take(told) {
    this.spanS = told.span_s;
    this.count = told.count;
    for (const row of Object.keys(told.signals)) {
      if (!this.signals.has(row)) this.signals.set(row, [[], [], []]);
    }
    for (const [row, columns] of this.signals) {
      const fresh = told.signals[row];
      columns.forEach((column, i) => {
        column.length = Math.min(column.length, told.first);
        while (column.length < told.first) column.push(null);
        if (fresh) column.push(...fresh[i]);
        while (column.length < told.count) column.push(null);
      });
    }
  }

  times() {
    return Array.from({ length: this.count }, (_, i) => (i + 0.5) * this.spanS);
  }

  /** Means at a time, or the last one before it. */
  at(row, timeS) {
    const means = this.signals.get(String(row))?.[1] ?? [];
    for (let i = Math.min(means.length - 1, Math.floor(timeS / this.spanS)); i >= 0; i--) {
      if (means[i] !== null) return means[i];
    }
    return null;
  }
}

/** One panel: a figure with its lines' names and values, and a chart. */
class Panel {
  constructor(told, parent, onRead) {
    this.lines = told.lines;
    this.figure = element("figure");
    const caption = element("figcaption");
    caption.append(element("strong", told.title));
    const list = element("ul", undefined, "lines");
    this.values = told.lines.map((line, i) => {
      const item = element("li");
      const value = element("b", "–");
      item.append(swatch(line.colour, DASHES[i]), element("span", line.name), value);
      list.append(item);
      return { item, value };
    });
    caption.append(list);
    this.box = element("div", undefined, "chart");
    this.box.setAttribute("role", "img");
    this.box.setAttribute("aria-label", `Chart of ${told.title} over mission time; its values stand before it`);
    this.figure.append(caption, this.box);
    parent.append(this.figure);
    this.onRead = onRead;
    this.chart = null;
    this.range = [0, 1];
    new ResizeObserver(() => this.fit()).observe(this.box);
  }

  draw(histories, range) {
    this.range = range;
    const shown = this.lines.map((line) => {
      const columns = histories.signals.get(String(line.row));
      const empty = !columns || (line.if_any && !columns[2].some((value) => value));
      return empty ? [[], [], []] : columns;
    });
    const blank = Array(histories.count).fill(null);
    const data = [histories.times()];
    shown.forEach((columns, i) => {
      const some = columns[1].length > 0;
      this.values[i].item.hidden = !some && this.lines[i].if_any;
      data.push(...columns.map((column) => (some ? column : blank)));
    });
    if (!this.chart) this.make(data);
    else this.chart.setData(data, true);
  }

  /** Make the chart anew, as after a change of theme. */
  remake() {
    const data = this.chart?.data;
    this.chart?.destroy();
    this.chart = null;
    if (data) this.make(data);
  }

  make(data) {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const thin = { stroke: colour("grid"), width: 1 };
    const axis = { stroke: colour("soft"), font: "11px sans-serif", grid: thin, ticks: { ...thin, size: 4 } };
    const series = [{}];
    const bands = [];
    this.lines.forEach((line, i) => {
      const edge = { stroke: "transparent", width: 0, points: { show: false }, spanGaps: true };
      const stroke = colour(line.colour);
      series.push(edge, { stroke, width: 1.6, dash: DASHES[i], points: { show: false }, spanGaps: true }, edge);
      bands.push({ series: [3 * i + 3, 3 * i + 1], fill: `${stroke}33` });
    });
    this.chart = new uPlot({
      width: Math.max(50, this.box.clientWidth), height: this.box.clientHeight,
      legend: { show: false },
      padding: [5, 17, 0, 0],
      cursor: { drag: { x: false, y: false }, points: { show: false }, y: false },
      scales: { x: { time: false, range: () => this.range } },
      axes: [
        { ...axis, size: () => (this.lowest() ? 19 : 4), incrs: STEPS_S, space: 70,
          values: (_, ticks) => ticks.map((t) => (this.lowest() ? clock(t, this.range[1] - this.range[0] > 1200) : "")) },
        { ...axis, size: 44, space: 18 },
      ],
      series, bands,
      hooks: { setCursor: [(u) => this.onRead(u.cursor.left >= 0 && u.cursor.left !== null ? u.posToVal(u.cursor.left, "x") : null)] },
    }, data, this.box);
  }

  /** Whether no chart stands below, which would have the same time axis. */
  lowest() {
    const { offsetLeft, offsetTop } = this.figure;
    return ![...this.figure.parentElement.children].some(
      (other) => other.offsetLeft === offsetLeft && other.offsetTop > offsetTop);
  }

  fit() {
    this.chart?.setSize({ width: Math.max(50, this.box.clientWidth), height: this.box.clientHeight });
  }

  /** Write the values of a time, null for now with what the limits say. */
  read(histories, latest, timeS) {
    this.lines.forEach((line, i) => {
      const now = latest[line.row];
      const { value } = this.values[i];
      const past = timeS !== null;
      const level = past || !now ? "ok" : now.level;
      const text = digits(past ? histories.at(line.row, timeS) : now?.value);
      const word = level === "ok" ? "" : ` ${level === "error" ? "■" : "▲"} beyond ${digits(now.limit)}`;
      if (value.textContent !== text + word) value.textContent = text + word;
      value.className = level === "ok" ? "" : `level ${level}`;
    });
  }
}

/** A spectrum: the first column of a record along x, the others over it. */
class Spectrum {
  constructor(topic, parent) {
    this.topic = topic;
    this.figure = element("figure");
    this.caption = element("figcaption");
    this.box = element("div", undefined, "chart");
    this.box.setAttribute("role", "img");
    this.figure.append(this.caption, this.box);
    parent.append(this.figure);
    this.key = "";
    this.chart = null;
    new ResizeObserver(() => this.chart?.setSize({ width: Math.max(50, this.box.clientWidth), height: this.box.clientHeight })).observe(this.box);
  }

  draw(table) {
    const [x, ...others] = Object.keys(table);
    const key = [x, ...others].join();
    const data = [table[x], ...others.map((name) => table[name])];
    if (key === this.key) {
      this.chart.setData(data);
      return;
    }
    this.key = key;
    this.chart?.destroy();
    const names = ["blue", "orange", "green", "purple", "vermilion"];
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const list = element("ul", undefined, "lines");
    others.forEach((name, i) => {
      const item = element("li");
      item.append(swatch(names[i % 5], DASHES[i % 5]), element("span", name));
      list.append(item);
    });
    this.caption.replaceChildren(element("strong", `${this.topic} over ${x}`), list);
    this.box.setAttribute("aria-label", `Spectrum of ${this.topic} over ${x}`);
    const thin = { stroke: colour("grid"), width: 1 };
    const axis = { stroke: colour("soft"), font: "11px sans-serif", grid: thin, ticks: { ...thin, size: 4 } };
    this.chart = new uPlot({
      width: Math.max(50, this.box.clientWidth), height: this.box.clientHeight,
      legend: { show: false }, padding: [5, 17, 0, 0], cursor: { drag: { x: false, y: false } },
      scales: { x: { time: false } },
      axes: [{ ...axis, size: 19 }, { ...axis, size: 44, space: 22 }],
      series: [{}, ...others.map((_, i) => ({ stroke: colour(names[i % 5]), width: 1.4, dash: DASHES[i % 5],
        points: { show: false }, paths: uPlot.paths.stepped({ align: 1 }) }))],
    }, data, this.box);
  }
}
