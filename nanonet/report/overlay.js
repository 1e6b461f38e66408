/* What is drawn over a frame: outlines of particles, columns, the scale bar; and the legend of it. */

/* A dark line below a bright one is seen on dark and on bright images. */
function drawParticles(pen, scale, particles, hovered) {
  pen.lineJoin = "round";
  for (const [colour, width] of [["rgba(0,0,0,0.65)", 3.6], [OUTLINE, 1.8]]) {
    pen.strokeStyle = colour;
    pen.lineWidth = width / scale;
    for (const particle of particles) pen.stroke(particle.path);
  }
  const over = hovered === null ? null : particles[hovered];
  if (over) { pen.fillStyle = "rgba(230,159,0,0.35)"; pen.fill(over.path, "evenodd"); }
}

/* Colour of a depth; columns without one are orange, or white among others that have one. */
function depthColour(range, depth) {
  const [low, high] = range;
  if (!Number.isFinite(low)) return [230, 159, 0];
  if (depth === null || depth === undefined) return [255, 255, 255];
  return viridis(high > low ? (depth - low) / (high - low) : 0.7);
}

/* How a column is drawn: "disc", "open", "dashed", "cross" or "dot"; as a "ring" where no depth was read. */
function styleOf(columns, k) {
  if (!columns.depth) return "ring";
  const state = columns.state ? columns.state[k] : SEEN;
  if (state === EMPTY) return "dot";
  if (state === DOUBTED) return "cross";
  if (state === FOLLOWED) return "dashed";
  const sure = columns.confidence?.[k] ?? 1;
  return sure < SURE ? "open" : "disc";
}

function drawColumn(pen, scale, x, y, radius, colour, style, strong) {
  const contrast = isLight(colour) ? "rgba(0,0,0,0.8)" : "rgba(255,255,255,0.85)";
  const line = Math.min(Math.max(radius * scale * 0.2, 1.3), 3) / scale;
  const thin = style === "disc" || style === "ring" ? line : 0.8 * line;
  pen.beginPath();
  if (style === "cross") {
    const arm = 0.36 * radius;
    for (const sign of [1, -1]) { pen.moveTo(x - arm, y - sign * arm); pen.lineTo(x + arm, y + sign * arm); }
  } else pen.arc(x, y, style === "dot" ? 0.3 * radius : radius, 0, 2 * Math.PI);
  if (style === "disc") { pen.fillStyle = css(colour, 0.4); pen.fill(); }
  if (style === "dashed") pen.setLineDash([radius * 0.62, radius * 0.43]);
  const [under, over] = style === "cross" || style === "dot" ? ["rgba(0,0,0,0.55)", "rgba(255,255,255,0.75)"] : [contrast, css(colour)];
  pen.strokeStyle = under;
  pen.lineWidth = thin + (strong ? 4 : 1.6) / scale;
  pen.stroke();
  pen.strokeStyle = over;
  pen.lineWidth = thin;
  pen.stroke();
  pen.setLineDash([]);
}

/* A ring around the column that is followed beside the frame. */
function drawChoice(pen, scale, x, y, radius) {
  for (const [colour, width] of [["rgba(0,0,0,0.85)", 5], ["#ffffff", 2.4]]) {
    pen.beginPath();
    pen.arc(x, y, radius + 4.5 / scale, 0, 2 * Math.PI);
    pen.strokeStyle = colour;
    pen.lineWidth = width / scale;
    pen.stroke();
  }
}

function drawScaleBar(pen, g, frame) {
  if (!frame.pixel_size) return;
  const perPixel = frame.pixel_size / g.scale;
  const [length, text] = niceLength((Math.min(g.width, frame.width * g.scale) * perPixel) / 4);
  const wide = length / perPixel, left = Math.max(g.x, 0) + 12, bottom = Math.min(g.y + frame.height * g.scale, g.height) - 12;
  pen.font = "600 14px system-ui, sans-serif";
  const plate = Math.max(wide, pen.measureText(text).width) + 16;
  pen.fillStyle = "rgba(0,0,0,0.6)";
  pen.fillRect(left, bottom - 36, plate, 36);
  pen.fillStyle = "#fff";
  pen.fillRect(left + (plate - wide) / 2, bottom - 11, wide, 4);
  pen.textAlign = "center";
  pen.fillText(text, left + plate / 2, bottom - 18);
}

/* What is known of a column, in words. */
function columnText(columns, k) {
  const at = (name) => columns[name]?.[k] ?? null;
  const number = at("track") ?? at("id");
  const name = number === null ? "Column" : `Column ${number}`;
  const state = at("state") ?? SEEN, depth = at("depth");
  if (state === EMPTY) return `${name}: empty${sureText(at)}`;
  if (state === DOUBTED) return `${name}: ${depth === null ? "seen" : count(depth, "atom")} in this frame alone, noise according to the whole movie`;
  if (depth === null) return `${name}: depth not known`;
  const low = at("low"), high = at("high"), read = at("read");
  const interval = low === null || high === null ? "" : ` [${low}, ${high}]`;
  let text = `${name}: ${count(depth, "atom")}${interval}${sureText(at)}`;
  if (state === FOLLOWED) text += "; not found in this frame alone";
  else if (read !== null && read !== depth) text += `; this frame alone: ${read}`;
  return text;
}

function sureText(at) {
  const confidence = at("confidence");
  return confidence === null ? "" : `, confidence ${confidence.toFixed(2)}`;
}

function add(parent, tag, name, text) {
  const node = document.createElement(tag);
  if (name) node.className = name;
  if (text !== undefined) node.textContent = text;
  parent.append(node);
  return node;
}

/* A mark of the legend, drawn as on the frame. */
function markKey(box, style, colour, text) {
  const row = add(box, "div", "key"), mark = add(row, "canvas"), ratio = window.devicePixelRatio || 1;
  mark.width = mark.height = 20 * ratio;
  const pen = mark.getContext("2d");
  pen.scale(ratio, ratio);
  pen.fillStyle = "#6b7279";
  pen.fillRect(0, 0, 20, 20);
  drawColumn(pen, 1, 10, 10, 6.5, colour, style, false);
  add(row, "span", "", text);
}

function drawLegend(box, frames, range) {
  if (frames.some((frame) => frame.outlines)) {
    const row = add(box, "div", "key");
    add(row, "i").style.borderColor = OUTLINE;
    add(row, "span", "", "outline of a particle");
  }
  const all = frames.flatMap((frame) => (frame.columns ? [frame.columns] : []));
  if (!all.length) return;
  const [low, high] = range;
  if (Number.isFinite(low)) {
    add(box, "div", "", "Depth of a column (atoms)");
    if (high - low < 14) {
      const steps = add(box, "div", "steps");
      for (let depth = low; depth <= high; depth++) {
        const colour = depthColour(range, depth), step = add(steps, "span", "", depth);
        step.style.background = css(colour);
        step.style.color = isLight(colour) ? "#000" : "#fff";
      }
    } else {
      const ramp = add(box, "div", "ramp"), ends = add(box, "div", "ends");
      ramp.style.background = `linear-gradient(to right, ${VIRIDIS.map((rgb) => css(rgb)).join(",")})`;
      for (const depth of [low, high]) add(ends, "span", "", depth);
    }
  }
  const colour = depthColour(range, Number.isFinite(low) ? Math.round((low + high) / 2) : null);
  const used = new Set(all.flatMap((columns) => (columns.xy || []).filter((_, k) => k % 2).map((_, k) => styleOf(columns, k))));
  const words = {
    disc: "column", ring: "column, depth not read", open: "depth less sure than not", dashed: "not found in this frame, there in the movie",
    cross: "found in this frame, noise in the movie", dot: "site that is empty now",
  };
  for (const [style, text] of Object.entries(words)) if (used.has(style)) markKey(box, style, colour, text);
  if (Number.isFinite(low) && all.some((columns) => columns.depth?.includes(null))) markKey(box, "disc", [255, 255, 255], "depth not known");
}
