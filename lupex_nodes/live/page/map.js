// SPDX-License-Identifier: Apache-2.0
// The map: relief and shadow from the server; track, path, goals, lander and rover over them.
"use strict";

class SiteMap {
  constructor(canvas) {
    this.canvas = canvas;
    this.track = [];
    this.path = [];
    this.goals = [];
    this.rover = null;
    this.sun = null;
    this.deposit = null;
    this.halfM = null;
    this.relief = null;
    this.drawing = false; // the server draws the ground: some seconds
    this.shade = null;
    this.showShadow = true;
    this.follow = false;
    this.centre = [0, 0];
    this.scale = null; // px per m; null: everything in view
    this.shadeOf = "";
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  async loadGround() {
    const site = await (await fetch("site.json")).json();
    if (!site) return;
    this.halfM = site.half_m;
    const relief = new Image();
    relief.src = "relief.png";
    this.drawing = true;
    await relief.decode().finally(() => { this.drawing = false; });
    this.relief = relief;
    this.draw();
  }

  /** Fetch the shadow when the Sun has moved enough for the eye. */
  async loadShadow() {
    if (!this.sun || !this.relief) return;
    const of = `${this.sun.azimuth_deg.toFixed(0)}_${this.sun.elevation_deg.toFixed(1)}`;
    if (of === this.shadeOf) return;
    this.shadeOf = of;
    const shade = new Image();
    shade.src = `shadow.png?sun=${of}`;
    try {
      await shade.decode();
      this.shade = shade;
      this.draw();
    } catch {
      this.shade = null; // the ground is not known far enough
    }
  }

  zoom(factor) {
    const { scale, centre } = this.frame();
    this.centre = centre;
    this.scale = Math.min(200, Math.max(0.02, scale * factor));
    this.draw();
  }

  fit() {
    this.scale = null;
    this.draw();
  }

  move(eastPx, northPx) {
    const { scale, centre } = this.frame();
    this.scale = scale;
    this.centre = [centre[0] + eastPx / scale, centre[1] + northPx / scale];
    this.draw();
  }

  /** Scale and centre of what is drawn now. */
  frame() {
    const width = this.canvas.clientWidth, height = this.canvas.clientHeight;
    if (this.scale !== null) {
      return { scale: this.scale, centre: this.follow && this.rover ? [this.rover.x_m, this.rover.y_m] : this.centre };
    }
    const all = [[0, 0], ...this.track, ...this.path, ...this.goals.map((goal) => goal.slice(1))];
    const xs = all.map((p) => p[0]), ys = all.map((p) => p[1]);
    const least = [Math.min(...xs), Math.min(...ys)], most = [Math.max(...xs), Math.max(...ys)];
    const room = 40, compass = 45;
    const scale = Math.min(
      (width - 2 * room - compass) / Math.max(10, most[0] - least[0]), (height - 2 * room) / Math.max(10, most[1] - least[1]));
    const middle = [(least[0] + most[0] + compass / scale) / 2, (least[1] + most[1]) / 2];
    return { scale: Math.max(scale, 0.01), centre: this.follow && this.rover ? [this.rover.x_m, this.rover.y_m] : middle };
  }

  draw() {
    const width = this.canvas.clientWidth, height = this.canvas.clientHeight;
    if (!width || !height) return;
    const dense = window.devicePixelRatio || 1;
    if (this.canvas.width !== Math.round(width * dense) || this.canvas.height !== Math.round(height * dense)) {
      this.canvas.width = Math.round(width * dense);
      this.canvas.height = Math.round(height * dense);
    }
    const c = this.canvas.getContext("2d");
    c.setTransform(dense, 0, 0, dense, 0, 0);
    const { scale, centre } = this.frame();
    const at = (x, y) => [width / 2 + (x - centre[0]) * scale, height / 2 - (y - centre[1]) * scale];
    this.ground(c, width, height, scale, at);
    this.ways(c, scale, at);
    this.places(c, scale, at);
    this.margin(c, width, height, scale);
  }

  ground(c, width, height, scale, at) {
    c.fillStyle = "#8e939b";
    c.fillRect(0, 0, width, height);
    if (this.relief) {
      const [left, top] = at(-this.halfM, this.halfM);
      const side = 2 * this.halfM * scale;
      c.drawImage(this.relief, left, top, side, side);
      if (this.shade && this.showShadow) c.drawImage(this.shade, left, top, side, side);
    } else {
      const step = niceStep(80 / scale);
      c.strokeStyle = "#7d828b";
      c.lineWidth = 1;
      const [x0, y0] = at(0, 0);
      for (let x = x0 % (step * scale); x < width; x += step * scale) line(c, [[x, 0], [x, height]]);
      for (let y = y0 % (step * scale); y < height; y += step * scale) line(c, [[0, y], [width, y]]);
    }
    if (this.drawing) label(c, "the ground is being drawn", width / 2, height - 50);
    if (matchMedia("(prefers-color-scheme: dark)").matches) {
      c.fillStyle = "rgba(10, 13, 17, 0.28)";
      c.fillRect(0, 0, width, height);
    }
  }

  ways(c, scale, at) {
    c.lineJoin = c.lineCap = "round";
    const stroke = (points, colour, size, dash) => {
      if (points.length < 2) return;
      const places = points.map((p) => at(p[0], p[1]));
      c.setLineDash([]);
      c.strokeStyle = "rgba(255, 255, 255, 0.9)";
      c.lineWidth = size + 3;
      line(c, places);
      c.setLineDash(dash);
      c.strokeStyle = colour;
      c.lineWidth = size;
      line(c, places);
      c.setLineDash([]);
    };
    stroke(this.path, "#0072b2", 2, [7, 5]);
    const here = this.rover ? [[this.rover.x_m, this.rover.y_m]] : [];
    stroke([...this.track, ...here], "#d55e00", 2.5, []);
    if (this.deposit?.detected) {
      const [x, y] = at(this.deposit.x_m, this.deposit.y_m);
      c.setLineDash([3, 3]);
      c.strokeStyle = "#003a5c";
      c.lineWidth = 2;
      c.beginPath();
      c.arc(x, y, this.deposit.radius_m * scale, 0, 2 * Math.PI);
      c.stroke();
      c.setLineDash([]);
      label(c, "deposit", x, y - this.deposit.radius_m * scale - 8);
    }
  }

  places(c, scale, at) {
    this.goals.forEach((goal, i) => {
      const [x, y] = at(goal[1], goal[2]);
      c.beginPath();
      c.arc(x, y, 8, 0, 2 * Math.PI);
      c.fillStyle = "rgba(255, 255, 255, 0.92)";
      c.fill();
      c.strokeStyle = "#1b1f24";
      c.lineWidth = 1.2;
      c.stroke();
      c.fillStyle = "#1b1f24";
      c.font = "bold 10px sans-serif";
      c.textAlign = "center";
      c.textBaseline = "middle";
      c.fillText(String(i + 1), x, y + 0.5);
    });
    const [x, y] = at(0, 0);
    shape(c, [[x, y - 9], [x + 8, y + 6], [x - 8, y + 6]], "#ffffff");
    label(c, "lander", x, y + 17);
    if (!this.rover) return;
    const [rx, ry] = at(this.rover.x_m, this.rover.y_m);
    const sigma = 2 * this.rover.sigma_m * scale;
    if (sigma > 6 && sigma < 4000) {
      c.beginPath();
      c.arc(rx, ry, sigma, 0, 2 * Math.PI);
      c.strokeStyle = "#1b1f24";
      c.lineWidth = 1;
      c.stroke();
    }
    const turned = (ahead, left) => [
      rx + ahead * Math.cos(this.rover.yaw_rad) - left * Math.sin(this.rover.yaw_rad),
      ry - ahead * Math.sin(this.rover.yaw_rad) - left * Math.cos(this.rover.yaw_rad)];
    shape(c, [turned(13, 0), turned(-8, 8), turned(-4, 0), turned(-8, -8)], "#ffd54a");
  }

  /** Scale bar, north and the Sun's direction. */
  margin(c, width, height, scale) {
    const step = niceStep(90 / scale);
    const long = step * scale;
    c.fillStyle = "rgba(255, 255, 255, 0.82)";
    c.fillRect(8, height - 30, long + 14, 23);
    c.strokeStyle = "#1b1f24";
    c.lineWidth = 2;
    line(c, [[15, height - 16], [15, height - 12], [15 + long, height - 12], [15 + long, height - 16]]);
    c.fillStyle = "#1b1f24";
    c.font = "11px sans-serif";
    c.textAlign = "center";
    c.textBaseline = "alphabetic";
    c.fillText(step >= 1000 ? `${step / 1000} km` : `${step} m`, 15 + long / 2, height - 17);

    const x = width - 34, y = 34;
    c.beginPath();
    c.arc(x, y, 27, 0, 2 * Math.PI);
    c.fillStyle = "rgba(255, 255, 255, 0.82)";
    c.fill();
    c.strokeStyle = "#1b1f24";
    c.lineWidth = 1;
    c.stroke();
    c.fillStyle = "#1b1f24";
    c.font = "bold 11px sans-serif";
    c.textBaseline = "middle";
    c.fillText("N", x, y - 18);
    if (this.sun) {
      const turn = (this.sun.azimuth_deg * Math.PI) / 180;
      const [east, north] = [Math.sin(turn), Math.cos(turn)];
      c.strokeStyle = "#8a5a00";
      c.lineWidth = 2;
      line(c, [[x, y], [x + 12 * east, y - 12 * north]]);
      c.beginPath();
      c.arc(x + 18 * east, y - 18 * north, 5, 0, 2 * Math.PI);
      c.fillStyle = this.sun.lit_fraction > 0 ? "#ffb300" : "#ffffff";
      c.fill();
      c.lineWidth = 1.5;
      c.stroke();
    }
  }
}

function line(c, points) {
  c.beginPath();
  points.forEach(([x, y], i) => (i ? c.lineTo(x, y) : c.moveTo(x, y)));
  c.stroke();
}

function shape(c, points, fill) {
  c.beginPath();
  points.forEach(([x, y], i) => (i ? c.lineTo(x, y) : c.moveTo(x, y)));
  c.closePath();
  c.fillStyle = fill;
  c.fill();
  c.strokeStyle = "#1b1f24";
  c.lineWidth = 1.4;
  c.stroke();
}

function label(c, text, x, y) {
  c.font = "11px sans-serif";
  c.textAlign = "center";
  c.textBaseline = "middle";
  c.strokeStyle = "rgba(255, 255, 255, 0.9)";
  c.lineWidth = 3;
  c.strokeText(text, x, y);
  c.fillStyle = "#1b1f24";
  c.fillText(text, x, y);
}

/** The largest round number that is not above `most`. */
function niceStep(most) {
  const power = 10 ** Math.floor(Math.log10(most));
  return [5, 2, 1].map((n) => n * power).find((n) => n <= most) ?? power;
}
