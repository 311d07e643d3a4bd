// The status page: reads /api and follows /api/events. Whatever comes from there is text and never markup: elements are made by name,
// and contents are set as text. Nothing is loaded from elsewhere, and nothing is kept in the browser.
"use strict";

const ROWS_MAX = 200; // Rows of one table: more would be read by nobody, and slow a phone down.
const SAMPLES_MAX = 120; // Samples of the throughput: two minutes.
const REFRESH_MS = 500; // Events that come together are one look at the jobs.
const LOOK_MS = 10000; // Ages grow also when nothing happens.

const main = document.getElementById("main");
const state = document.getElementById("state");
const samples = new Map(); // By run: times and bytes.
let token = ""; // Forgotten when the page is left.
let pending = 0;
let turn = 0; // An answer that comes after the reader has gone elsewhere is not shown.

function make(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) element.setAttribute(key, value);
  for (const child of children) if (child !== null && child !== undefined) element.append(child);
  return element;
}

function draw(name, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

const number = (value) => Number(value || 0).toLocaleString("en");

function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let at = 0;
  while (value >= 1024 && at < units.length - 1) { value /= 1024; at += 1; }
  return `${value.toFixed(at === 0 || value >= 100 ? 0 : 1)} ${units[at]}`;
}

function span(seconds) {
  if (seconds === null || seconds === undefined) return "not known";
  const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const first = parts.findIndex(([length]) => seconds >= length);
  if (first < 0) return "0 s";
  const [length, unit] = parts[first];
  const rest = first < 3 ? Math.floor((seconds % length) / parts[first + 1][0]) : 0;
  return `${Math.floor(seconds / length)} ${unit}${rest ? ` ${rest} ${parts[first + 1][1]}` : ""}`;
}

const time = (text) => (text ? new Date(text).toLocaleString() : "never");
const words = { met: "ok", at_risk: "at risk", breached: "breached" };
const seconds = (from, to) => Math.max(0, (new Date(to) - new Date(from)) / 1000);

function table(heads, rows, total) {
  const head = make("tr", {}, ...heads.map((text) => make("th", { scope: "col" }, text)));
  const shown = rows.slice(0, ROWS_MAX).map((cells) => make("tr", {}, ...cells));
  const more = (total ?? rows.length) - shown.length;
  return make("div", { class: "table" }, make("table", {}, make("thead", {}, head), make("tbody", {}, ...shown)),
    more > 0 ? make("p", { class: "faint" }, `and ${number(more)} more`) : null);
}

const cell = (text, kind) => make("td", kind ? { class: kind } : {}, text);
const link = (to, text) => make("a", { href: to }, text);

function age(job) {
  const parts = [make("p", {}, make("span", { class: "word" }, words[job.level] || "no objective"), ` · copy is ${job.lag_seconds === null ? job.age : `${span(job.lag_seconds)} old`}`)];
  if (job.recovery_point_seconds !== null) {
    const known = job.lag_seconds === null ? job.recovery_point_seconds : job.lag_seconds;
    const label = `age of the copy against ${span(job.recovery_point_seconds)}`;
    parts.push(make("progress", { max: job.recovery_point_seconds, value: Math.min(known, job.recovery_point_seconds), "aria-label": label }));
    parts.push(make("p", { class: "faint" }, `may be ${span(job.recovery_point_seconds)} old`));
  }
  return parts;
}

function next(job) {
  if (job.running) return `running since ${time(job.running.since)}`;
  if (job.paused) return "paused";
  if (job.waiting) return `due since ${time(job.waiting.since)}, waits for ${job.waiting.on}`;
  return job.next ? `next ${time(job.next)}` : "starts after others, or by hand";
}

function card(job) {
  const last = job.last;
  return make("section", { class: job.level || "none" },
    make("h2", {}, link(`#job/${job.job}`, job.job)),
    make("p", { class: "faint" }, `${job.source ?? "gone from the configuration"} → ${job.target ?? ""}`),
    ...age(job),
    make("p", {}, next(job)),
    last ? make("p", { class: last.outcome === "done" ? "" : "failed" }, `last run ${last.outcome}, ${time(last.ended)}`) : make("p", {}, "has not run yet"),
    job.running ? progress(job.running) : null);
}

function progress(run) {
  const objects = run.objects;
  const decided = objects.copied + objects.kept + objects.skipped + objects.failed;
  const parts = [
    make("p", {}, `${run.phase ?? "starting"}: ${number(decided)} of ${number(objects.listed)} listed so far, ${number(objects.copied)} copied (${bytes(run.bytes.copied)})`),
    objects.failed + objects.skipped > 0 ? make("p", { class: "failed" }, `${number(objects.failed)} failed, ${number(objects.skipped)} skipped`) : null,
    throughput(run),
    ...run.limits.map((limit) => make("p", { class: "faint" }, `${limit.side}: ${limit.words}`)),
  ];
  return make("div", { "data-run": run.run }, ...parts);
}

function note(run) {
  const known = samples.get(run.run) || [];
  known.push([Date.now(), run.bytes.copied]);
  samples.set(run.run, known.slice(-SAMPLES_MAX));
}

function throughput(run) {
  const known = samples.get(run.run) || [];
  if (known.length < 3) return null;
  const rates = known.slice(1).map(([at, sum], index) => Math.max(0, (sum - known[index][1]) / Math.max(0.001, (at - known[index][0]) / 1000)));
  const most = Math.max(1, ...rates);
  const points = rates.map((rate, at) => `${(at / (rates.length - 1)) * 100},${30 - (rate / most) * 28}`).join(" ");
  const plot = draw("svg", { viewBox: "0 0 100 30", preserveAspectRatio: "none", role: "img", "aria-label": "throughput" }, draw("polyline", { class: "line", points }));
  return make("div", {}, make("p", {}, `${bytes(rates[rates.length - 1])}/s`), plot);
}

function chart(runs) {
  const longest = Math.max(1, ...runs.map((run) => seconds(run.started, run.finished)));
  const width = 100 / Math.max(runs.length, 10);
  const bars = runs.map((run, at) => {
    const height = Math.max(2, (seconds(run.started, run.finished) / longest) * 30);
    return draw("rect", { class: run.outcome === "done" ? "good" : "bad", x: at * width, y: 30 - height, width: width * 0.8, height });
  });
  return draw("svg", { viewBox: "0 0 100 30", preserveAspectRatio: "none", role: "img", "aria-label": "how long the last runs took" }, ...bars);
}

function failures(list, total) {
  const kinds = new Map();
  for (const failure of list) kinds.set(failure.kind, (kinds.get(failure.kind) || 0) + 1);
  const sums = [...kinds].map(([kind, count]) => `${kind}: ${number(count)}`).join(", ");
  const rows = list.slice(0, ROWS_MAX).map((failure) => [make("td", {}, make("bdi", { class: "key" }, failure.key)), cell(failure.kind), cell(failure.message)]);
  return [make("h3", {}, "Failures"), make("p", { class: "failed" }, sums), table(["key", "kind", "what happened"], rows, total ?? list.length)];
}

function wishes(job) {
  const field = make("input", { type: "password", "aria-label": "token", placeholder: "token", autocomplete: "off" });
  field.value = token;
  const answer = make("p", { role: "status" });
  const button = (wish, text) => {
    const made = make("button", { type: "button" }, text);
    made.addEventListener("click", async () => {
      token = field.value;
      const response = await fetch(`/api/jobs/${encodeURIComponent(job.job)}/${wish}`, { method: "POST", headers: { authorization: `Bearer ${token}` } });
      answer.textContent = response.ok ? "done" : (await response.json()).error;
    });
    return made;
  };
  const form = make("form", {}, field, button("run", "run now"), job.paused ? button("resume", "resume") : button("pause", "pause"));
  form.addEventListener("submit", (event) => event.preventDefault());
  return make("div", {}, form, answer);
}

function jobPage(job) {
  const runs = [...job.runs].reverse();
  const rows = runs.map((run) => [make("td", {}, link(`#run/${run.run}`, time(run.started))), cell(run.outcome, run.outcome === "done" ? "" : "failed"),
    cell(span(seconds(run.started, run.finished))), cell(number(run.objects.copied), "number"), cell(bytes(run.bytes.copied), "number")]);
  const events = [...job.events].reverse().map((event) => [cell(time(event.at)), cell(event.event), cell(event.message)]);
  return [card(job), wishes(job),
    job.failed.length ? make("div", {}, ...failures(job.failed)) : null,
    make("h3", {}, "Runs"), runs.length ? chart(job.runs) : null, table(["began", "ended", "took", "copied", "bytes"], rows),
    make("h3", {}, "What happened"), table(["when", "what", ""], events)];
}

function runPage(run) {
  if (run.progress) return [make("h2", {}, link(`#job/${run.job}`, run.job)), progress(run.progress), ...(run.failed.length ? failures(run.failed) : [])];
  const sums = (title, sum) => [make("h3", {}, title), table(["", ""], Object.entries(sum).map(([name, count]) => [cell(name.replaceAll("_", " ")), cell(title === "Bytes" ? bytes(count) : number(count), "number")]))];
  return [make("h2", {}, `${run.command} ${run.source} → ${run.target}`),
    make("p", { class: run.outcome === "done" ? "" : "failed" }, `${run.outcome}, ${time(run.started)} to ${time(run.finished)} (${span(seconds(run.started, run.finished))})`),
    ...sums("Objects", run.objects), ...sums("Proof", run.proof), ...sums("Bytes", run.bytes), ...sums("Requests", run.requests),
    ...(run.failures?.length ? failures(run.failures) : [])];
}

async function get(path) {
  const response = await fetch(path);
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

async function refresh() {
  const own = ++turn;
  const [kind, name] = location.hash.slice(1).split("/");
  try {
    let shown;
    if (kind === "job") shown = jobPage(await get(`/api/jobs/${encodeURIComponent(name)}`));
    else if (kind === "run") shown = runPage(await get(`/api/runs/${encodeURIComponent(name)}`));
    else {
      const all = await get("/api/jobs");
      const refused = all.configuration.refused;
      shown = [refused ? make("p", { class: "failed" }, `the configuration is not understood, and the one before counts: ${refused}`) : null,
        make("div", { class: "cards" }, ...all.jobs.map(card))];
      const breached = all.jobs.filter((job) => job.level === "breached").length;
      state.textContent = all.stopping ? "stopping" : `${all.jobs.length} jobs, ${breached} breached`;
      document.title = breached ? `(${breached}) Brigade` : "Brigade";
    }
    if (own !== turn) return;
    // Whoever types a token keeps the field until they leave it.
    if (main.contains(document.activeElement) && document.activeElement.matches("input")) return;
    main.replaceChildren(...shown.filter((part) => part !== null));
  } catch (error) {
    if (own === turn) main.replaceChildren(make("p", { class: "failed" }, error.message));
  }
}

function soon() {
  if (!pending) pending = setTimeout(() => { pending = 0; refresh(); }, REFRESH_MS);
}

const events = new EventSource("/api/events");
events.onopen = () => { state.textContent = "connected"; soon(); };
events.onerror = () => { state.textContent = "the service does not answer"; };
events.addEventListener("progress", (event) => {
  const { progress: run } = JSON.parse(event.data);
  note(run);
  for (const place of document.querySelectorAll("[data-run]")) if (place.dataset.run === run.run) place.replaceWith(progress(run));
});
for (const name of ["started", "ended", "paused", "resumed", "asked", "reloaded", "not_reloaded", "breach", "recovered", "failed", "refused", "first_success"]) {
  events.addEventListener(name, soon);
}
addEventListener("hashchange", refresh);
setInterval(soon, LOOK_MS);
refresh();
