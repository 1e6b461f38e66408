/* The column that is chosen: its depth over the whole movie, beside the frame; and the list of events. */
class Traces {
  constructor(packed) {
    Object.assign(this, packed);
    this.row = new Map(packed.tracks.map((track, row) => [track, row]));
    this.plot = element("trace");
  }

  /* Unpack planes of unsigned integers, site by frame; 0 stands for unknown. */
  static async unpack(packed) {
    if (!packed) return;
    const bytes = Uint8Array.from(atob(packed.data), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    const buffer = await new Response(stream).arrayBuffer();
    packed.values = packed.bytes === 1 ? new Uint8Array(buffer) : new Uint16Array(buffer);
  }

  at(frame) { return frame * (report.frame_time || 1); }

  /* Time and depth of a site in one of the packed planes. */
  series(packed, plane, row) {
    const begin = (plane * this.tracks.length + row) * packed.count, middle = this.first + (packed.step - 1) / 2;
    const y = Array.from(packed.values.subarray(begin, begin + packed.count), (value) => (value === 0 ? null : value - 1));
    return { x: y.map((_, k) => this.at(middle + k * packed.step)), y };
  }

  /* A stepped line needs only the points on either side of each change. */
  stepped({ x, y }) {
    const kept = y.map((_, k) => k).filter((k) => k === 0 || k === y.length - 1 || y[k] !== y[k - 1] || y[k] !== y[k + 1]);
    return { x: kept.map((k) => x[k]), y: kept.map((k) => y[k]) };
  }

  figure(track) {
    const row = this.row.get(track), [depth, low, high] = [0, 1, 2].map((plane) => this.series(this.depths, plane, row));
    const edge = { type: "scatter", mode: "lines", hoverinfo: "skip", line: { width: 0, shape: "hvh" }, connectgaps: !this.followed };
    const unit = report.frame_time ? "%{x:.5~g} s" : "frame %{x}", data = [];
    if (low.y.some((value) => value !== null)) {
      data.push({ ...edge, ...this.stepped(low) }, { ...edge, ...this.stepped(high), fill: "tonexty", fillcolor: "rgba(0,114,178,0.18)" });
    }
    let top = Math.max(...high.y, ...depth.y);
    if (this.reads) {
      const read = this.series(this.reads, 0, row);
      top = Math.max(top, ...read.y);
      data.push({ ...read, type: "scatter", mode: "markers", marker: { color: "#8A929B", size: read.y.length > 400 ? 2.5 : 4, opacity: 0.6 }, hovertemplate: unit + ", this frame alone: %{y}<extra></extra>" });
    }
    const line = { color: "#0072B2", width: 2, shape: "hvh" }, hovertemplate = unit + ": %{y} atoms<extra></extra>";
    if (this.followed) data.push({ ...this.stepped(depth), type: "scatter", mode: "lines", line, hovertemplate });
    else data.push({ ...depth, type: "scatter", mode: "markers", marker: { color: "#0072B2", size: depth.y.length > 400 ? 3 : 5 }, hovertemplate });
    data.push(...this.eventMarks(track));
    return { data, layout: {
      xaxis: { title: { text: report.frame_time ? "time (s)" : "frame" }, range: [this.at(this.first - 0.5), this.at(this.first + this.frames - 0.5)] },
      yaxis: { title: { text: "depth (atoms)" }, range: [-0.4, top + 0.8], dtick: top > 12 ? 5 : top > 6 ? 2 : 1, zeroline: false },
      showlegend: false, margin: { l: 44, r: 10, t: 8, b: 42 }, shapes: this.marker(),
    } };
  }

  /* Where the shown frame stands. */
  marker() {
    if (!viewer) return [];
    const x = this.at(viewer.frame.frame);
    return [{ type: "line", x0: x, x1: x, y0: 0, y1: 1, yref: "paper", line: { color: "#8A929B", width: 1.5, dash: "dot" } }];
  }

  eventMarks(track) {
    const events = report.events;
    if (!events) return [];
    const of = events.track_id.map((id, k) => k).filter((k) => events.track_id[k] === track);
    const marks = [["triangle-up", "#0072B2", (k) => events.depth_after[k] > events.depth_before[k]], ["triangle-down", "#D55E00", (k) => events.depth_after[k] < events.depth_before[k]]];
    return marks.map(([symbol, color, fits]) => {
      const some = of.filter(fits), value = (name) => some.map((k) => events[name][k]);
      const x = value("frame").map((frame) => this.at(frame));
      return {
        type: "scatter", mode: "markers", x, y: value("depth_after"), marker: { symbol, color, size: 9, line: { color: "#ffffff", width: 1 } },
        error_x: { type: "data", symmetric: false, color, thickness: 1.4, width: 3, array: value("frame_high").map((end, k) => this.at(end) - x[k]), arrayminus: value("frame_low").map((end, k) => x[k] - this.at(end)) },
        text: some.map((k) => `${events.depth_before[k]} → ${events.depth_after[k]} at frame ${events.frame[k]} (${events.frame_low[k]}–${events.frame_high[k]}), probability ${events.probability[k]}`), hovertemplate: "%{text}<extra></extra>",
      };
    });
  }

  async show(track, printing = false) {
    if (!this.row.has(track)) return;
    this.shown = track;
    element("chosen").textContent = `Column ${track} over ${report.frame_time ? "time" : "the frames"}`;
    element("chosen-hint").hidden = false;
    this.plot.hidden = false;
    const { data, layout } = themed(this.figure(track), printing);
    await Plotly.react(this.plot, data, layout, { displayModeBar: false });
    if (this.listening) return;
    this.listening = true;
    sizes.observe(this.plot);
    this.plot.on("plotly_click", ({ points: [point] }) => { viewer.pause(); viewer.show(viewer.nearest(Math.round(point.x / (report.frame_time || 1)))); });
  }

  move() {
    if (this.shown === undefined) return;
    Plotly.relayout(this.plot, { shapes: themed({ data: [], layout: { shapes: this.marker() } }, false).layout.shapes });
  }
}

let traces = null;

function choose(track) {
  if (viewer) viewer.choose(track);
  return traces ? traces.show(track) : null;
}

/* Go to a frame of the movie, or the nearest that is shown here, and to a column. */
function jump(frame, track) {
  if (!viewer) return;
  viewer.pause();
  const index = viewer.nearest(frame), there = viewer.frames[index].frame;
  viewer.show(index);
  choose(track);
  element("elsewhere").textContent = there === frame ? "" : `Frame ${frame} is not shown here; the nearest is ${there}.`;
}

async function startTraces() {
  for (const button of document.querySelectorAll("button[data-frame]")) {
    button.addEventListener("click", () => jump(Number(button.dataset.frame), Number(button.dataset.track)));
  }
  if (!report.traces || !viewer) return;
  await Promise.all([report.traces.depths, report.traces.reads].map(Traces.unpack));
  traces = new Traces(report.traces);
  viewer.onChoose = choose;
  viewer.onFrame = () => { element("elsewhere").textContent = ""; traces.move(); };
  const first = report.events?.track_id[0];
  if (first !== undefined) await choose(first);
  else element("chosen").textContent = "Click a column to see its depth over the movie.";
}

started.push(startTraces());
