/* Figures, in the colours of the screen. */
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const touch = window.matchMedia("(hover: none)").matches;
/* Okabe and Ito's colours that are too dark for a dark page, each with a lighter stand-in. */
const LIGHTER = {
  "#0072B2": "#56B4E9", "rgba(0,114,178,0.18)": "rgba(86,180,233,0.25)",
  "#D55E00": "#FF9440", "rgba(213,94,0,0.12)": "rgba(255,148,64,0.16)",
  "#56B4E9": "#A6DBFA", "#F1F5F9": "#20262C", "#D9DCE0": "#4A525B", "#1B1F24": "#E7EAEE",
};

function recolour(value) {
  if (typeof value === "string") return LIGHTER[value] || value;
  if (Array.isArray(value)) return value.some((item) => typeof item !== "number") && value.length < 5000 ? value.map(recolour) : value;
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, recolour(item)]));
}

function themed(figure, printing) {
  const style = getComputedStyle(document.documentElement);
  const onPaper = { "--ink": "#000000", "--grid": "#dddddd", "--muted": "#444444", "--panel": "#ffffff" };
  const read = (name) => (printing ? onPaper[name] : style.getPropertyValue(name).trim());
  /* A plot is as high as its card makes it. */
  const { data, layout: { height, ...layout } } = dark.matches && !printing ? recolour(figure) : figure;
  const axis = { gridcolor: read("--grid"), zerolinecolor: read("--grid"), linecolor: read("--muted"), automargin: true, ticks: "outside", tickcolor: read("--muted"), ticklen: 4, showline: true };
  const look = {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", 
    font: { family: "system-ui, -apple-system, 'Segoe UI', Roboto, Arial, sans-serif", size: 13, color: read("--ink") },
    margin: { l: 56, r: 14, t: 26, b: 48 }, bargap: 0.04, hovermode: "closest",
    hoverlabel: { bgcolor: read("--panel"), bordercolor: read("--muted"), font: { color: read("--ink") } },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: read("--muted"), activecolor: read("--ink") },
    dragmode: touch ? false : "zoom", autosize: true,
  };
  const axes = ["xaxis", "yaxis", ...Object.keys(layout).filter((name) => /^[xy]axis\d/.test(name))];
  const merged = { ...look, ...layout, ...Object.fromEntries(axes.map((name) => [name, { ...axis, ...layout[name] }])) };
  return { data, layout: structuredClone(merged) };
}

/* A click on a point that knows its frame and column shows them in the images. */
function follow({ points: [point] }) {
  if (!point.data.meta?.jump || !viewer) return;
  jump(point.customdata[0], point.customdata[1]);
  element("images").scrollIntoView({ block: "start" });
}

function drawFigures(printing = false) {
  return report.figures.map(async (figure, index) => {
    const { data, layout } = themed(figure, printing);
    const options = { displaylogo: false, toImageButtonOptions: { format: "svg", filename: "figure-" + (index + 1) }, displayModeBar: touch ? false : "hover", modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]] };
    const plot = await Plotly.react("figure-" + index, data, layout, options);
    plot.removeAllListeners("plotly_click");
    plot.on("plotly_click", follow);
  });
}

started.push(...drawFigures());
/* A plot keeps to the width of its card, whatever changes that: a window, a rotated phone, a sheet of paper. */
const sizes = new ResizeObserver((entries) => requestAnimationFrame(() => {
  for (const { target } of entries) if (target.clientWidth !== target.querySelector("svg.main-svg")?.clientWidth) Plotly.Plots.resize(target);
}));
for (const plot of document.querySelectorAll(".plot")) sizes.observe(plot);
function redraw(printing) {
  drawFigures(printing);
  if (traces?.shown !== undefined) traces.show(traces.shown, printing);
}
dark.addEventListener("change", () => redraw(false));
const folded = new Set();
window.addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details:not([open])")) { folded.add(details); details.open = true; }
  redraw(true);
});
window.addEventListener("afterprint", () => {
  for (const details of folded) details.open = false;
  folded.clear();
  redraw(false);
});
