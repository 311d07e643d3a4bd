// Small drawings, each with its meaning in words for those who do not see it.
"use strict";

import { draw, faint, make } from "./dom.js";
import { bytes, count, secondsBetween, span } from "./words.js";

const BAR = 8; // Width of a run, with the space behind it.
const HEIGHT = 34;
const MARK = 7; // Room for the mark above a run that did not end well.
const RUNS_MIN = 12; // A short history keeps the scale of a longer one.
const PLOT = { width: 600, height: 120 };
const WINDOW = 4; // Looks that one rate spans: parts end in bursts.
const EVEN_MS = 900; // Looks that are closer to each other say nothing of a rate.

// How long the last runs took and how they ended: a bar each, the newest to the right; what did not end well bears a mark.
export function runs(list) {
  if (!list.length) return faint("no runs yet");
  const lengths = list.map((run) => secondsBetween(run.started, run.finished));
  const longest = Math.max(1, ...lengths);
  const ended = new Map();
  for (const run of list) ended.set(run.outcome, (ended.get(run.outcome) ?? 0) + 1);
  const sums = [...ended].map(([name, times]) => `${times} ${name}`).join(", ");
  const words = `${count(list.length, "run")}: ${sums}; the longest took ${span(Math.max(...lengths))}`;
  const slots = Math.max(RUNS_MIN, list.length);
  const bars = list.map((run, at) => {
    const x = at * BAR;
    const height = Math.max(3, (lengths[at] / longest) * (HEIGHT - MARK));
    const isGood = run.outcome === "done";
    return draw("g", { class: isGood ? "good" : "bad" },
      draw("title", {}, `${run.outcome}, took ${span(lengths[at])}`),
      draw("rect", { x, y: HEIGHT - height, width: BAR - 2, height, rx: 1 }),
      isGood ? null : draw("circle", { cx: x + (BAR - 2) / 2, cy: HEIGHT - height - 4, r: 2.6 }));
  });
  return draw("svg", { class: "runs", width: slots * BAR, height: HEIGHT, viewBox: `0 0 ${slots * BAR} ${HEIGHT}`, role: "img", "aria-label": words }, bars);
}

// Bytes a second over the time of a run, from what had moved when.
export function rates(moved) {
  const even = moved.filter(([at], index) => index === 0 || at - moved[index - 1][0] >= EVEN_MS);
  return even.slice(1).map(([at, sum], index) => {
    const [from, before] = even[Math.max(0, index + 1 - WINDOW)];
    return [at, Math.max(0, sum - before) / (at - from) * 1000];
  });
}

export const rateNow = (moved) => rates(moved).at(-1)?.[1] ?? 0;

function line(points) {
  const last = Math.max(1, points.at(-1)[0]);
  const most = Math.max(1, ...points.map(([, rate]) => rate));
  return [[0, 0], ...points].map(([at, rate]) => `${((at / last) * PLOT.width).toFixed(1)},${(PLOT.height - (rate / most) * (PLOT.height - 6)).toFixed(1)}`);
}

// A line alone, for a row of the overview.
export function spark(moved) {
  const points = rates(moved);
  if (points.length < 2) return null;
  return draw("svg", { class: "spark", viewBox: `0 0 ${PLOT.width} ${PLOT.height}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    draw("polyline", { class: "line", points: line(points).join(" ") }));
}

export function throughput(moved) {
  const points = rates(moved);
  if (points.length < 2) return make("p", { class: "faint plot-soon" }, "the throughput is drawn after the first seconds");
  const most = Math.max(...points.map(([, rate]) => rate));
  const now = points.at(-1)[1];
  const took = span(points.at(-1)[0] / 1000);
  const corners = line(points);
  const words = `throughput over ${took}: ${bytes(now)} a second now, at most ${bytes(most)} a second`;
  const grid = [0.25, 0.5, 0.75].map((part) => draw("line", { class: "grid", x1: 0, x2: PLOT.width, y1: PLOT.height * part, y2: PLOT.height * part }));
  return make("figure", { class: "plot" },
    make("figcaption", {}, make("strong", {}, `${bytes(now)}/s`), faint(` now, at most ${bytes(most)}/s`)),
    draw("svg", { viewBox: `0 0 ${PLOT.width} ${PLOT.height}`, preserveAspectRatio: "none", role: "img", "aria-label": words }, grid,
      draw("polygon", { class: "area", points: [`0,${PLOT.height}`, ...corners, `${PLOT.width},${PLOT.height}`].join(" ") }),
      draw("polyline", { class: "line", points: corners.join(" ") })),
    make("div", { class: "axis" }, faint("0 s"), faint(took)));
}

// How much of what is allowed is used up.
export function meter(kind, label, value, most) {
  const used = Math.min(1, Math.max(0, value / most));
  const about = { role: "meter", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": most, "aria-valuenow": Math.round(Math.min(value, most)) };
  return draw("svg", { class: `meter ${kind}`, viewBox: "0 0 600 6", preserveAspectRatio: "none", ...about },
    draw("rect", { width: Math.max(6, used * 600).toFixed(0), height: 6 }));
}

// Shares of a whole, side by side, each with its name and its number.
export function shares(label, list) {
  const whole = list.reduce((sum, { value }) => sum + value, 0);
  if (!whole) return null;
  let x = 0;
  const bars = list.filter(({ value }) => value > 0).map(({ kind, value }) => {
    const width = (value / whole) * 600;
    const bar = draw("rect", { class: kind, x, y: 0, width: Math.max(1, width), height: 12 });
    x += width;
    return bar;
  });
  const words = list.map(({ name, value }) => `${name} ${value}`).join(", ");
  return draw("svg", { class: "shares", viewBox: "0 0 600 12", preserveAspectRatio: "none", role: "img", "aria-label": `${label}: ${words}` }, bars);
}
