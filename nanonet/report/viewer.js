/* Frames with the result drawn over them, on a canvas. */
class Viewer {
  constructor(frames) {
    this.frames = frames;
    this.canvas = element("canvas");
    this.pen = this.canvas.getContext("2d");
    this.index = 0;
    this.hovered = null;
    this.chosen = null;
    this.onChoose = null;
    this.onFrame = null;
    this.zoom = 1;
    this.centre = [0.5, 0.5];
    this.images = new Map();
    this.range = depthRange();
    this.aspect = Math.max(...frames.map((frame) => frame.height / frame.width));
    for (const frame of frames) {
      frame.particles = (frame.outlines || []).map(([id, ...rings]) => ({ id, path: this.path(rings) }));
      frame.xy = frame.columns ? frame.columns.xy : [];
    }
    this.radius = this.columnRadius();
    this.connect();
    drawLegend(element("legend"), frames, this.range);
  }

  /* Outlines as paths in image pixels, whose first pixel reaches from 0 to 1. */
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

  /* A third of the usual distance to the nearest neighbour, from a sample of columns: the same in all frames. */
  columnRadius() {
    const { xy, width } = this.frames.reduce((most, frame) => (frame.xy.length > most.xy.length ? frame : most));
    const distances = [], step = Math.max(2, 2 * Math.floor(xy.length / 400));
    for (let i = 0; i < xy.length; i += step) {
      let nearest = Infinity;
      for (let j = 0; j < xy.length; j += 2) {
        if (i !== j) nearest = Math.min(nearest, (xy[i] - xy[j]) ** 2 + (xy[i + 1] - xy[j + 1]) ** 2);
      }
      if (Number.isFinite(nearest)) distances.push(Math.sqrt(nearest));
    }
    distances.sort((a, b) => a - b);
    return distances.length ? Math.min(0.33 * distances[distances.length >> 1], width / 20) : width / 60;
  }

  get frame() { return this.frames[this.index]; }

  connect() {
    this.slider = element("frame"); this.shown = element("shown"); this.opacity = element("opacity"); this.mean = element("mean");
    this.slider.max = String(this.frames.length - 1);
    element("frames").style.display = this.frames.length < 2 ? "none" : "";
    element("denoise").style.display = this.frames.some((frame) => frame.mean) ? "" : "none";
    this.slider.addEventListener("input", () => { this.pause(); this.show(Number(this.slider.value)); });
    for (const input of [this.shown, this.opacity]) input.addEventListener("input", () => this.draw());
    this.mean.addEventListener("input", () => this.show(this.index));
    element("play").addEventListener("click", () => (this.timer ? this.pause() : this.play()));
    element("zoom-in").addEventListener("click", () => this.zoomBy(1.5));
    element("zoom-out").addEventListener("click", () => this.zoomBy(1 / 1.5));
    element("zoom-all").addEventListener("click", () => this.zoomBy(0));
    const { canvas } = this;
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      this.zoomBy(Math.exp(-event.deltaY / 200), this.place(event));
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => { this.pressed = this.grabbed = event; this.point(event); });
    canvas.addEventListener("pointermove", (event) => (this.grabbed && this.zoom > 1 ? this.drag(event) : this.point(event)));
    canvas.addEventListener("pointerup", (event) => this.release(event));
    for (const name of ["pointerleave", "pointercancel"]) canvas.addEventListener(name, () => { this.grabbed = null; this.hover(null); });
    canvas.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => requestAnimationFrame(() => this.draw())).observe(canvas.parentElement);
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
    const button = element("play");
    button.textContent = text;
    button.setAttribute("aria-pressed", pressed);
  }

  /* The frame shown here that is nearest to one of the movie. */
  nearest(frame) {
    const apart = this.frames.map((shown) => Math.abs(shown.frame - frame));
    return apart.indexOf(Math.min(...apart));
  }

  async show(index) {
    const averaged = this.mean.checked && this.frames[index].mean;
    const key = averaged ? -1 - index : index;
    this.index = index;
    this.hover(null);
    this.slider.value = String(index);
    if (!this.images.has(key)) {
      const image = new Image();
      image.src = averaged || this.frames[index].image;
      await image.decode();
      this.images.set(key, image);
    }
    if (this.index !== index) return;
    this.picture = this.images.get(key);
    this.describe();
    this.draw();
    if (this.onFrame) this.onFrame(this.frame.frame);
  }

  describe() {
    const frame = this.frame, where = element("where"), small = document.createElement("small");
    const found = [];
    if (frame.outlines) found.push(count(frame.outlines.length, "particle"));
    if (frame.columns) {
      const states = frame.columns.state || [];
      found.push(count(frame.xy.length / 2 - states.filter((state) => state === EMPTY || state === DOUBTED).length, "column"));
    }
    const many = this.frames.length > 1, place = many ? `Frame ${frame.frame}` : "";
    where.textContent = [place, many ? timeText(frame.frame) : "", found.join(", ")].filter(Boolean).join(" · ");
    small.textContent = frame.name + (many ? ` – ${this.index + 1} of ${this.frames.length} shown here` : "");
    where.append(small);
    this.slider.setAttribute("aria-valuetext", `frame ${frame.frame}`);
    this.canvas.setAttribute("aria-label", `${frame.name}, frame ${frame.frame}: ${found.join(", ") || "no result to draw"}`);
    element("readout").dataset.prompt = frame.columns ? "Point at a column to read it." : frame.outlines ? "Point at a particle to read its number." : "";
    this.say();
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
    if (!this.picture) return;
    const g = this.geometry(), ratio = window.devicePixelRatio || 1, { pen, canvas, frame } = this;
    canvas.width = Math.round(g.width * ratio);
    canvas.height = Math.round(g.height * ratio);
    canvas.style.width = g.width + "px";
    canvas.style.height = g.height + "px";
    canvas.classList.toggle("zoomed", this.zoom > 1);
    pen.setTransform(ratio * g.scale, 0, 0, ratio * g.scale, ratio * g.x, ratio * g.y);
    pen.imageSmoothingEnabled = g.scale < 3;
    pen.imageSmoothingQuality = "high";
    pen.drawImage(this.picture, 0, 0, frame.width, frame.height);
    if (this.shown.checked) {
      pen.globalAlpha = Number(this.opacity.value);
      drawParticles(pen, g.scale, frame.particles, this.hovered);
      this.drawColumns(pen, g);
      pen.globalAlpha = 1;
    }
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    drawScaleBar(pen, g, frame);
    canvas.dataset.drawn = String(this.index);
  }

  drawColumns(pen, g) {
    const { xy, columns } = this.frame, radius = Math.max(this.radius, 2.2 / g.scale);
    for (let k = 0; 2 * k < xy.length; k++) {
      const x = xy[2 * k] + 0.5, y = xy[2 * k + 1] + 0.5;
      drawColumn(pen, g.scale, x, y, radius, depthColour(this.range, columns.depth?.[k]), styleOf(columns, k), k === this.hovered);
      if (this.chosen !== null && columns.track?.[k] === this.chosen) drawChoice(pen, g.scale, x, y, radius);
    }
  }

  /* Where the pointer is, in image pixels. */
  place(event) {
    const box = this.canvas.getBoundingClientRect(), g = this.geometry();
    return [(event.clientX - box.left - g.x) / g.scale, (event.clientY - box.top - g.y) / g.scale];
  }

  point(event) {
    const [x, y] = this.place(event), { frame } = this;
    const hit = frame.columns ? this.columnAt(x, y) : frame.particles.findIndex((p) => this.inside(p, x, y));
    this.hover(hit < 0 ? null : hit, event);
  }

  /* Say what the pointer is at, beside it. */
  hover(next, event) {
    const tip = element("tip");
    if (next !== this.hovered) {
      this.hovered = next;
      this.say();
      this.draw();
    }
    tip.hidden = next === null;
    if (next === null) return;
    tip.textContent = this.textOf(next);
    const box = this.canvas.parentElement.getBoundingClientRect();
    const right = event.clientX - box.left > box.width / 2;
    tip.style.left = right ? "auto" : `${event.clientX - box.left + 14}px`;
    tip.style.right = right ? `${box.right - event.clientX + 14}px` : "auto";
    tip.style.top = `${Math.max(4, event.clientY - box.top - 14)}px`;
  }

  textOf(k) { return this.frame.columns ? columnText(this.frame.columns, k) : `Particle ${this.frame.particles[k].id}`; }

  /* The column or particle under the pointer, else the chosen column, in words. */
  say() {
    const chosen = this.chosen === null ? -1 : (this.frame.columns?.track || []).indexOf(this.chosen);
    const k = this.hovered ?? (chosen < 0 ? null : chosen);
    element("readout").textContent = k === null ? "" : this.textOf(k);
  }

  release(event) {
    const still = this.pressed && Math.hypot(event.clientX - this.pressed.clientX, event.clientY - this.pressed.clientY) < 5;
    this.grabbed = this.pressed = null;
    const track = this.hovered === null ? null : this.frame.columns?.track?.[this.hovered] ?? null;
    if (still && track !== null && this.onChoose) this.onChoose(track);
  }

  choose(track) {
    this.chosen = track;
    this.say();
    this.draw();
  }

  inside(particle, x, y) {
    this.pen.setTransform(1, 0, 0, 1, 0, 0);
    return this.pen.isPointInPath(particle.path, x, y, "evenodd");
  }

  columnAt(x, y) {
    const { xy } = this.frame;
    let best = -1, nearest = (1.6 * this.radius) ** 2;
    for (let k = 0; 2 * k < xy.length; k++) {
      const square = (xy[2 * k] + 0.5 - x) ** 2 + (xy[2 * k + 1] + 0.5 - y) ** 2;
      if (square < nearest) { nearest = square; best = k; }
    }
    return best;
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
}

const viewer = report.previews.length ? new Viewer(report.previews) : null;
if (viewer) started.push(viewer.show(0));
