"use strict";
/* Frames with the result drawn over them, on a canvas. */
const report = JSON.parse(document.getElementById("report-data").textContent);

/* Say what goes wrong on the page itself, where a reader without a console sees it. */
const troubles = [];
function trouble(text) {
  troubles.push(text);
  document.documentElement.dataset.errors = String(troubles.length);
  const box = document.getElementById("trouble");
  box.textContent = "A part of this page could not be drawn: " + troubles.join("; ");
  box.hidden = false;
}
window.addEventListener("error", (event) => trouble(event.message));
window.addEventListener("unhandledrejection", (event) => trouble(String(event.reason)));
document.addEventListener("securitypolicyviolation", (event) => trouble("blocked: " + event.violatedDirective));

const VIRIDIS = [
  [68, 1, 84], [72, 40, 120], [62, 74, 137], [49, 104, 142], [38, 130, 142],
  [31, 158, 137], [53, 183, 121], [110, 206, 88], [181, 222, 43], [253, 231, 37],
];
const OUTLINE = "#E69F00";

function viridis(share) {
  const place = Math.min(Math.max(share, 0), 1) * (VIRIDIS.length - 1);
  const index = Math.min(Math.floor(place), VIRIDIS.length - 2);
  return VIRIDIS[index].map((low, c) => Math.round(low + (place - index) * (VIRIDIS[index + 1][c] - low)));
}
const css = (rgb) => `rgb(${rgb.join(",")})`;
/* Relative luminance, roughly: says whether black or white stands out. */
const isLight = (rgb) => 0.21 * rgb[0] + 0.72 * rgb[1] + 0.07 * rgb[2] > 130;

/* A round length that fills about a fifth of the shown width: [Å, text]. */
function niceLength(limit) {
  const power = 10 ** Math.floor(Math.log10(limit));
  const length = [5, 2, 1].map((first) => first * power).find((value) => value <= limit);
  const short = (value) => String(Number(value.toPrecision(3)));
  if (length < 5) return [length, short(length) + " Å"];
  return length < 10000 ? [length, short(length / 10) + " nm"] : [length, short(length / 10000) + " µm"];
}

class Viewer {
  constructor(frames) {
    this.frames = frames;
    this.canvas = document.getElementById("canvas");
    this.pen = this.canvas.getContext("2d");
    this.index = 0;
    this.hovered = null;
    this.zoom = 1;
    this.centre = [0.5, 0.5];
    this.images = new Map();
    const values = frames.flatMap((frame) => (frame.values || []).filter((value) => value !== null));
    this.range = values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
    this.aspect = Math.max(...frames.map((frame) => frame.height / frame.width));
    this.prepare();
    this.connect();
    this.legend();
  }

  /* Outlines as paths in image pixels, whose first pixel reaches from 0 to 1. */
  prepare() {
    for (const frame of this.frames) {
      frame.particles = (frame.outlines || []).map(([id, ...rings]) => ({ id, path: this.path(rings) }));
      frame.radius = this.radius(frame);
    }
  }

  path(rings) {
    const path = new Path2D();
    for (const ring of rings) {
      let x = 0, y = 0;
      for (let k = 0; k < ring.length; k += 2) {
        x += ring[k]; y += ring[k + 1];
        if (k === 0) path.moveTo(x / 4 + 0.5, y / 4 + 0.5);
        else path.lineTo(x / 4 + 0.5, y / 4 + 0.5);
      }
      path.closePath();
    }
    return path;
  }

  /* A third of the median distance to the nearest neighbour, from a sample of columns. */
  radius(frame) {
    const xy = frame.points || [], distances = [];
    const step = Math.max(2, 2 * Math.floor(xy.length / 400));
    for (let i = 0; i < xy.length; i += step) {
      let nearest = Infinity;
      for (let j = 0; j < xy.length; j += 2) {
        if (i !== j) nearest = Math.min(nearest, (xy[i] - xy[j]) ** 2 + (xy[i + 1] - xy[j + 1]) ** 2);
      }
      if (Number.isFinite(nearest)) distances.push(Math.sqrt(nearest));
    }
    distances.sort((a, b) => a - b);
    return distances.length ? Math.min(0.33 * distances[distances.length >> 1], frame.width / 20) : frame.width / 60;
  }

  get frame() { return this.frames[this.index]; }

  connect() {
    const get = (id) => document.getElementById(id);
    this.slider = get("frame"); this.shown = get("shown"); this.opacity = get("opacity");
    this.slider.max = String(this.frames.length - 1);
    get("frames").hidden = this.frames.length < 2;
    get("frames").style.display = this.frames.length < 2 ? "none" : "";
    this.slider.addEventListener("input", () => { this.pause(); this.show(Number(this.slider.value)); });
    this.shown.addEventListener("input", () => this.draw());
    this.opacity.addEventListener("input", () => this.draw());
    get("play").addEventListener("click", () => (this.timer ? this.pause() : this.play()));
    get("zoom-in").addEventListener("click", () => this.zoomBy(1.5));
    get("zoom-out").addEventListener("click", () => this.zoomBy(1 / 1.5));
    get("zoom-all").addEventListener("click", () => this.zoomBy(0));
    this.canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      this.zoomBy(Math.exp(-event.deltaY / 200), this.place(event));
    }, { passive: false });
    this.canvas.addEventListener("pointerdown", (event) => { this.grabbed = this.zoom > 1 ? event : null; this.point(event); });
    this.canvas.addEventListener("pointermove", (event) => (this.grabbed ? this.drag(event) : this.point(event)));
    for (const name of ["pointerup", "pointerleave", "pointercancel"]) {
      this.canvas.addEventListener(name, () => { this.grabbed = null; });
    }
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => requestAnimationFrame(() => this.draw())).observe(this.canvas.parentElement);
  }

  key(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.key === "+" || event.key === "=") this.zoomBy(1.5);
    else if (event.key === "-") this.zoomBy(1 / 1.5);
    else if (event.key === "0") this.zoomBy(0);
    else if (event.key in moves && this.zoom > 1) {
      this.centre = this.centre.map((value, axis) => value + (0.15 * moves[event.key][axis]) / this.zoom);
      this.draw();
    } else return;
    event.preventDefault();
  }

  play() {
    this.timer = setInterval(() => this.show((this.index + 1) % this.frames.length), 300);
    this.label("Pause", "true");
  }

  pause() {
    clearInterval(this.timer);
    this.timer = null;
    this.label("Play", "false");
  }

  label(text, pressed) {
    const button = document.getElementById("play");
    button.textContent = text;
    button.setAttribute("aria-pressed", pressed);
  }

  async show(index) {
    this.index = index;
    this.hovered = null;
    this.slider.value = String(index);
    if (!this.images.has(index)) {
      const image = new Image();
      image.src = this.frames[index].image;
      await image.decode();
      this.images.set(index, image);
    }
    if (this.index !== index) return;
    this.describe();
    this.draw();
  }

  describe() {
    const frame = this.frame, where = document.getElementById("where"), small = document.createElement("small");
    const found = [];
    if (frame.outlines) found.push(frame.outlines.length + (frame.outlines.length === 1 ? " particle" : " particles"));
    if (frame.points) found.push(frame.points.length / 2 + (frame.points.length === 2 ? " column" : " columns"));
    const many = this.frames.length > 1;
    const place = many ? `Frame ${frame.frame}` : "";
    where.textContent = [place, found.join(", ")].filter(Boolean).join(" · ");
    small.textContent = frame.name + (many ? ` – ${this.index + 1} of ${this.frames.length} shown here` : "");
    where.append(small);
    this.slider.setAttribute("aria-valuetext", `frame ${frame.frame}`);
    this.canvas.setAttribute("aria-label", `${frame.name}, frame ${frame.frame}: ${found.join(", ") || "no result to draw"}`);
    const readout = document.getElementById("readout");
    readout.textContent = "";
    readout.dataset.prompt = frame.points ? "Point at a column to read it." : frame.outlines ? "Point at a particle to read its number." : "";
  }

  /* Canvas size in CSS pixels, and the scale and offset from image to canvas. */
  geometry() {
    const width = this.canvas.parentElement.clientWidth;
    const height = Math.round(Math.min(width * this.aspect, 760, Math.max(320, window.innerHeight * 0.85)));
    const used = Math.round(Math.min(width, height / Math.min(...this.frames.map((f) => f.height / f.width))));
    const scale = Math.min(used / this.frame.width, height / this.frame.height) * this.zoom;
    const half = [used / (2 * scale * this.frame.width), height / (2 * scale * this.frame.height)];
    this.centre = this.centre.map((value, axis) => (half[axis] >= 0.5 ? 0.5 : Math.min(Math.max(value, half[axis]), 1 - half[axis])));
    return { width: used, height, scale, x: used / 2 - this.centre[0] * this.frame.width * scale, y: height / 2 - this.centre[1] * this.frame.height * scale };
  }

  draw() {
    const image = this.images.get(this.index);
    if (!image) return;
    const g = this.geometry(), ratio = window.devicePixelRatio || 1, pen = this.pen;
    this.canvas.width = Math.round(g.width * ratio);
    this.canvas.height = Math.round(g.height * ratio);
    this.canvas.style.width = g.width + "px";
    this.canvas.style.height = g.height + "px";
    this.canvas.classList.toggle("zoomed", this.zoom > 1);
    pen.setTransform(ratio * g.scale, 0, 0, ratio * g.scale, ratio * g.x, ratio * g.y);
    pen.imageSmoothingEnabled = g.scale < 3;
    pen.imageSmoothingQuality = "high";
    pen.drawImage(image, 0, 0, this.frame.width, this.frame.height);
    if (this.shown.checked) {
      pen.globalAlpha = Number(this.opacity.value);
      this.drawParticles(pen, g);
      this.drawColumns(pen, g);
      pen.globalAlpha = 1;
    }
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.drawScaleBar(pen, g);
    this.canvas.dataset.drawn = String(this.index);
  }

  /* A dark line below a bright one is seen on dark and on bright images. */
  drawParticles(pen, g) {
    pen.lineJoin = "round";
    for (const [colour, width] of [["rgba(0,0,0,0.65)", 3.6], [OUTLINE, 1.8]]) {
      pen.strokeStyle = colour;
      pen.lineWidth = width / g.scale;
      for (const particle of this.frame.particles) pen.stroke(particle.path);
    }
    const over = this.hovered === null ? null : this.frame.particles[this.hovered];
    if (over) { pen.fillStyle = "rgba(230,159,0,0.35)"; pen.fill(over.path, "evenodd"); }
  }

  drawColumns(pen, g) {
    const { points = [], values = [] } = this.frame;
    const radius = Math.max(this.frame.radius, 2.2 / g.scale);
    const wide = Math.min(Math.max(radius * g.scale * 0.32, 1.4), 3.5) / g.scale;
    for (let k = 0; 2 * k < points.length; k++) {
      const x = points[2 * k] + 0.5, y = points[2 * k + 1] + 0.5;
      const colour = this.colour(values[k]);
      pen.beginPath();
      pen.arc(x, y, radius, 0, 2 * Math.PI);
      pen.strokeStyle = isLight(colour) ? "rgba(0,0,0,0.75)" : "rgba(255,255,255,0.8)";
      pen.lineWidth = wide + (k === this.hovered ? 5 : 1.8) / g.scale;
      pen.stroke();
      pen.strokeStyle = css(colour);
      pen.lineWidth = wide;
      pen.stroke();
    }
  }

  colour(value) {
    if (value === null || value === undefined) return Number.isFinite(this.range[0]) ? [255, 255, 255] : [230, 159, 0];
    const [low, high] = this.range;
    return viridis(high > low ? (value - low) / (high - low) : 0.7);
  }

  drawScaleBar(pen, g) {
    if (!this.frame.pixel_size) return;
    const perPixel = this.frame.pixel_size / g.scale;
    const [length, text] = niceLength((Math.min(g.width, this.frame.width * g.scale) * perPixel) / 4);
    const wide = length / perPixel, left = Math.max(g.x, 0) + 12, bottom = Math.min(g.y + this.frame.height * g.scale, g.height) - 12;
    pen.font = "600 14px system-ui, sans-serif";
    const plate = Math.max(wide, pen.measureText(text).width) + 16;
    pen.fillStyle = "rgba(0,0,0,0.6)";
    pen.fillRect(left, bottom - 36, plate, 36);
    pen.fillStyle = "#fff";
    pen.fillRect(left + (plate - wide) / 2, bottom - 11, wide, 4);
    pen.textAlign = "center";
    pen.fillText(text, left + plate / 2, bottom - 18);
  }

  /* Where the pointer is, in image pixels. */
  place(event) {
    const box = this.canvas.getBoundingClientRect(), g = this.geometry();
    return [(event.clientX - box.left - g.x) / g.scale, (event.clientY - box.top - g.y) / g.scale];
  }

  point(event) {
    const [x, y] = this.place(event), frame = this.frame, readout = document.getElementById("readout");
    const hit = frame.points ? this.columnAt(x, y) : frame.particles.findIndex((p) => this.inside(p, x, y));
    const next = hit < 0 ? null : hit;
    if (next === this.hovered) return;
    this.hovered = next;
    readout.textContent = next === null ? "" : frame.points ? this.columnText(next) : `Particle ${frame.particles[next].id}`;
    this.draw();
  }

  inside(particle, x, y) {
    this.pen.setTransform(1, 0, 0, 1, 0, 0);
    return this.pen.isPointInPath(particle.path, x, y, "evenodd");
  }

  columnAt(x, y) {
    const { points, radius } = this.frame;
    let best = -1, nearest = (1.6 * radius) ** 2;
    for (let k = 0; 2 * k < points.length; k++) {
      const square = (points[2 * k] + 0.5 - x) ** 2 + (points[2 * k + 1] + 0.5 - y) ** 2;
      if (square < nearest) { nearest = square; best = k; }
    }
    return best;
  }

  columnText(k) {
    const value = this.frame.values ? this.frame.values[k] : null;
    const name = this.frame.ids ? `Column ${this.frame.ids[k]}` : "Column";
    return name + (value === null ? ": depth not known" : `: depth ${value}`);
  }

  drag(event) {
    const g = this.geometry();
    this.centre = [
      this.centre[0] - (event.clientX - this.grabbed.clientX) / (g.scale * this.frame.width),
      this.centre[1] - (event.clientY - this.grabbed.clientY) / (g.scale * this.frame.height),
    ];
    this.grabbed = event;
    this.draw();
  }

  /* Zoom about a place in the image (its middle where none is given); a factor of 0 shows all of it. */
  zoomBy(factor, about) {
    const before = this.zoom;
    this.zoom = factor === 0 ? 1 : Math.min(Math.max(this.zoom * factor, 1), 16);
    if (about) {
      const at = [about[0] / this.frame.width, about[1] / this.frame.height];
      this.centre = this.centre.map((value, axis) => at[axis] + ((value - at[axis]) * before) / this.zoom);
    }
    this.draw();
  }

  legend() {
    const box = document.getElementById("legend");
    const add = (parent, tag, name, text) => {
      const node = document.createElement(tag);
      if (name) node.className = name;
      if (text !== undefined) node.textContent = text;
      parent.append(node);
      return node;
    };
    const key = (colour, text) => {
      const row = add(box, "div", "key");
      add(row, "i").style.borderColor = colour;
      add(row, "span", "", text);
    };
    if (this.frames.some((frame) => frame.outlines)) key(OUTLINE, "outline of a particle");
    if (!this.frames.some((frame) => frame.points)) return;
    const [low, high] = this.range;
    if (!Number.isFinite(low)) return key(OUTLINE, "atomic column, depth not read");
    add(box, "div", "", "Depth of a column (atoms)");
    const whole = [low, high].every(Number.isInteger) && high - low < 14;
    if (whole) {
      const steps = add(box, "div", "steps");
      for (let value = low; value <= high; value++) {
        const colour = this.colour(value), step = add(steps, "span", "", value);
        step.style.background = css(colour);
        step.style.color = isLight(colour) ? "#000" : "#fff";
      }
    } else {
      const ramp = add(box, "div", "ramp"), ends = add(box, "div", "ends");
      ramp.style.background = `linear-gradient(to right, ${VIRIDIS.map(css).join(",")})`;
      for (const value of [low, high]) add(ends, "span", "", Number(value.toPrecision(3)));
    }
    if (this.frames.some((frame) => (frame.values || []).includes(null))) key("#ffffff", "depth not known");
  }
}

const started = [];
if (report.previews.length) started.push(new Viewer(report.previews).show(0));
