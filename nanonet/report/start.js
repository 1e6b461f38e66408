"use strict";
/* What the page holds, what goes wrong on it, and colours and words that its scripts share. */
const report = JSON.parse(document.getElementById("report-data").textContent);
const element = (id) => document.getElementById(id);
/* What is drawn at the beginning; the page is ready when all of it is done. */
const started = [];

/* Say what goes wrong on the page itself, where a reader without a console sees it. */
const troubles = [];
function trouble(text) {
  troubles.push(text);
  document.documentElement.dataset.errors = String(troubles.length);
  const box = element("trouble");
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
/* States of a column in a frame, as nanonet.report.shown_columns numbers them. */
const SEEN = 0, FOLLOWED = 1, DOUBTED = 2, EMPTY = 3;
/* A depth that is less likely than not is drawn as an open circle. */
const SURE = 0.5;

function viridis(share) {
  const place = Math.min(Math.max(share, 0), 1) * (VIRIDIS.length - 1);
  const index = Math.min(Math.floor(place), VIRIDIS.length - 2);
  return VIRIDIS[index].map((low, c) => Math.round(low + (place - index) * (VIRIDIS[index + 1][c] - low)));
}
const css = (rgb, alpha = 1) => (alpha === 1 ? `rgb(${rgb.join(",")})` : `rgba(${rgb.join(",")},${alpha})`);
/* Relative luminance, roughly: says whether black or white stands out. */
const isLight = (rgb) => 0.21 * rgb[0] + 0.72 * rgb[1] + 0.07 * rgb[2] > 130;

/* Least and greatest depth of the scale: those of the movie, else of the frames that are shown. */
function depthRange() {
  if (report.depths) return report.depths;
  const depths = report.previews.flatMap((frame) => frame.columns?.depth || []).filter((value) => value > 0);
  return depths.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
}

/* A round length that fits into the limit: [Å, text]. */
function niceLength(limit) {
  const power = 10 ** Math.floor(Math.log10(limit));
  const length = [5, 2, 1].map((first) => first * power).find((value) => value <= limit);
  const short = (value) => String(Number(value.toPrecision(3)));
  if (length < 5) return [length, short(length) + " Å"];
  return length < 10000 ? [length, short(length / 10) + " nm"] : [length, short(length / 10000) + " µm"];
}

function timeText(frame) {
  return report.frame_time ? `${Number((frame * report.frame_time).toPrecision(5))} s` : "";
}

const count = (number, name) => `${number} ${name}${number === 1 ? "" : "s"}`;
