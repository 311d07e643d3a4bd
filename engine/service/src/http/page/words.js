// Numbers, sizes, spans and moments as people read them; a number and its unit stay on one line. Moments are told by the clock of the
// service, for only that one counts.
"use strict";

import { make } from "./dom.js";

let ahead = 0; // Milliseconds by which the service's clock is ahead of this one's.

export const setClock = (now) => { ahead = new Date(now) - Date.now(); };
export const clock = () => Date.now() + ahead;

export const number = (value) => Number(value ?? 0).toLocaleString("en");

export const count = (value, one, many) => `${number(value)} ${value === 1 ? one : many ?? `${one}s`}`;

export function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let [at, rest] = [0, Number(value ?? 0)];
  while (rest >= 1024 && at < units.length - 1) { rest /= 1024; at += 1; }
  return `${rest.toFixed(at === 0 || rest >= 100 ? 0 : 1)}\u00a0${units[at]}`;
}

const UNITS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

// The two largest units of a span in seconds.
export function span(seconds) {
  if (seconds === null || seconds === undefined) return "not known";
  const first = UNITS.findIndex(([length]) => seconds >= length);
  if (first < 0) return "under 1\u00a0s";
  const [length, unit] = UNITS[first];
  const rest = first + 1 < UNITS.length ? Math.floor((seconds % length) / UNITS[first + 1][0]) : 0;
  return `${Math.floor(seconds / length)}\u00a0${unit}${rest ? ` ${rest}\u00a0${UNITS[first + 1][1]}` : ""}`;
}

export const secondsBetween = (from, to) => Math.max(0, (new Date(to) - new Date(from)) / 1000);

const DAY = { day: "numeric", month: "short" };
const MINUTE = { hour: "2-digit", minute: "2-digit" };

export const exactly = (text) => new Date(text).toLocaleString("en-GB", { dateStyle: "full", timeStyle: "long" });

// A moment, the shorter the nearer: of today the time of day, of this year the day and the minute.
export function moment(text) {
  if (!text) return "never";
  const [at, now] = [new Date(text), new Date(clock())];
  if (at.toDateString() === now.toDateString()) return at.toLocaleTimeString("en-GB");
  const isThisYear = at.getFullYear() === now.getFullYear();
  return `${at.toLocaleDateString("en-GB", isThisYear ? DAY : { ...DAY, year: "numeric" })} ${at.toLocaleTimeString("en-GB", MINUTE)}`;
}

// The same as an element.
export const at = (text) => make("time", { datetime: text, title: exactly(text) }, moment(text));

// How each form tells the time between a moment and now.
const FORMS = {
  ago: (seconds) => (seconds < 1 ? "just now" : `${span(seconds)} ago`),
  in: (seconds) => (seconds > -1 ? "now" : `in ${span(-seconds)}`),
  for: (seconds) => span(Math.max(0, seconds)),
};

const told = (form, at) => FORMS[form](Math.round((clock() - new Date(at)) / 1000));

// A moment told from now, which `tick` keeps true.
export const since = (form, at) => make("time", { datetime: at, title: exactly(at), "data-form": form }, told(form, at));

export function tick() {
  for (const element of document.querySelectorAll("time[data-form]")) {
    const text = told(element.dataset.form, element.dateTime);
    if (element.textContent !== text) element.textContent = text;
  }
}

const BECAUSE = {
  due: "its schedule says so",
  followed: "the jobs that it follows have ended clean",
  asked: "somebody asked for it",
  interrupted: "its last run was cut short",
};

export const because = (why) => BECAUSE[typeof why === "string" ? why : Object.keys(why ?? {})[0]] ?? "";

const PHASES = { probing: "reaching both ends", copying: "copying", deleting: "deleting", reporting: "writing the report" };

export const phase = (name) => PHASES[name] ?? "starting";

// What a proof level means.
export const PROOFS = {
  content: "read back from the target and compared",
  stored: "the target computed the same digest over what it stored",
  transport: "vouched for by the connection and the length",
};

// A status in a shape, a word and a colour, so that none of them has to be seen alone.
const SHAPES = { good: "●", risk: "▲", bad: "■", none: "○", busy: "▶", rest: "Ⅱ" };

export const pill = (kind, text) => make("span", { class: `pill ${kind}` }, make("span", { class: "shape", "aria-hidden": "true" }, SHAPES[kind]), text);

const LEVELS = { met: ["good", "ok"], at_risk: ["risk", "at risk"], breached: ["bad", "breached"] };

export const level = (name) => pill(...(LEVELS[name] ?? ["none", "no objective"]));

const OUTCOMES = { done: "good", partial: "risk", interrupted: "risk", refused: "bad", failed: "bad" };

export const outcome = (name) => pill(OUTCOMES[name] ?? "none", name);
