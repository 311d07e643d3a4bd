// The status page: reads /api and follows /api/events, and shows what they say. It asks again when something happened, when an age comes
// to its limit, and every few seconds in case nothing is heard. Nothing is loaded from elsewhere, and nothing is kept in the browser.
"use strict";

import { patchChildren } from "./page/dom.js";
import { ask } from "./page/failures.js";
import * as views from "./page/views.js";
import { clock, setClock, tick } from "./page/words.js";

const SOON_MS = 500; // Events that come together are one look.
const LOOK_MS = 10000; // How often it looks where nothing is heard.
const TICK_MS = 1000;
const FRAME_MS = 250; // Progress of several runs is shown together.
const AGAIN_MS = 10000; // Before a refused stream of events is asked for once more.
const QUIET_MS = 5000; // A stream that ends is taken up again by the browser; only after this is it worth a word.

// Whatever may change what is shown.
const EVENTS = ["started", "ended", "paused", "resumed", "asked", "reloaded", "not_reloaded", "breach", "recovered", "failed", "refused",
  "first_success", "not_delivered"];

const main = document.getElementById("main");
const known = { route: "", data: null, failed: 0 };
let turn = 0; // An answer that comes after the reader has gone elsewhere is not shown.
let pending = 0;
let showing = 0;
let quiet = 0;
let token = ""; // Forgotten when the page is left.

// The service has answered, and what it said is no.
class Refused extends Error {}

async function get(path, options) {
  const response = await fetch(path, options);
  const answer = await response.json();
  if (!response.ok) throw new Refused(answer.error);
  return answer;
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return ""; // Nothing here has such a name.
  }
}

// `#job/NAME`, `#job/NAME/RUN`, `#run/RUN`, and everything else is the overview.
function where() {
  const [kind, ...names] = location.hash.slice(1).split("/").map(decoded);
  if (kind === "run") return { kind: "run", run: names[0] };
  if (kind === "job") return names[1] ? { kind: "run", job: names[0], run: names[1] } : { kind: "job", job: names[0] };
  return { kind: "jobs" };
}

const summary = (run) => get(`/api/runs/${encodeURIComponent(run)}/summary`);

// What a run has found. A report that is kept no more has no findings; the job is shown all the same.
const findings = (run) => (run ? summary(run).then((found) => ({ ...found, run }), () => null) : null);

// A job with what its run under way has found, or else its last one.
async function jobAndFindings(name) {
  const job = await get(`/api/jobs/${encodeURIComponent(name)}`);
  job.found = await findings(job.running?.run);
  if (!job.found?.failures.length && job.last && job.last.outcome !== "done") job.found = await findings(job.last.run);
  return job;
}

const LOOKS = { jobs: () => get("/api/jobs"), job: (at) => jobAndFindings(at.job), run: (at) => summary(at.run) };
const VIEWS = { jobs: (data) => views.overview(data), job: (data) => views.job(data), run: (data, at) => views.run(data, at.job) };

function show() {
  const at = where();
  if (known.route !== location.hash || !known.data) return;
  const fresh = VIEWS[at.kind](known.data, at);
  patchChildren(main, fresh.flat(Infinity).filter((part) => part));
  const field = main.querySelector("input[name=token]");
  if (field && !field.value) field.value = token;
  const breached = known.data.jobs?.filter((job) => job.level === "breached").length;
  document.title = [breached ? `(${breached}) ` : "", at.job ?? at.run, at.job || at.run ? " · " : "", "Brigade"].join("");
}

async function refresh() {
  const [own, at, route] = [++turn, where(), location.hash];
  // What a run that ended has found stays as it is.
  if (known.route === route && known.data?.report) return;
  try {
    const data = await LOOKS[at.kind](at);
    if (own !== turn) return;
    if (data.now) setClock(data.now);
    [known.route, known.data] = [route, data];
    show();
  } catch (error) {
    if (own !== turn) return;
    // Where the service does not answer, what was known of this place stays; what it says is not there is gone.
    if (known.route === route && known.data && !(error instanceof Refused)) return;
    [known.route, known.data] = [route, null];
    main.replaceChildren(...views.nothing(error.message));
  }
}

function soon() {
  if (!pending) pending = setTimeout(() => { pending = 0; refresh(); }, SOON_MS);
}

// How far a run is goes into what is shown; that it failed at more keys is looked up.
function hear({ job, progress }) {
  const { data } = known;
  if (!data) return;
  const shown = data.jobs?.find((one) => one.job === job) ?? (data.job === job ? data : null);
  if (shown && data.progress?.run === progress.run) data.progress = progress;
  else if (shown?.running?.run === progress.run) shown.running = progress;
  else return shown ? soon() : undefined;
  const failed = progress.objects.failed + progress.objects.skipped;
  if (failed !== known.failed && where().kind !== "jobs") soon();
  known.failed = failed;
  if (!showing) showing = setTimeout(() => { showing = 0; show(); }, FRAME_MS);
}

function say(kind, words) {
  document.getElementById("link").className = `link ${kind}`;
  document.getElementById("link-words").textContent = words;
}

function follow() {
  const events = new EventSource("/api/events");
  events.onopen = () => { clearTimeout(quiet); quiet = 0; say("good", "live"); soon(); };
  events.onerror = () => {
    quiet ||= setTimeout(() => say("bad", `the service does not answer since ${new Date().toLocaleTimeString("en-GB")}`), QUIET_MS);
    if (events.readyState === EventSource.CLOSED) setTimeout(follow, AGAIN_MS);
  };
  events.addEventListener("progress", (event) => hear(JSON.parse(event.data)));
  for (const name of EVENTS) events.addEventListener(name, soon);
}

async function wish(button) {
  const form = button.form;
  const answer = form.querySelector(".answer");
  const path = `/api/jobs/${encodeURIComponent(button.dataset.job)}/${button.dataset.wish}`;
  try {
    await get(path, { method: "POST", headers: { authorization: `Bearer ${form.elements.token.value}` } });
    answer.textContent = "done";
    soon();
  } catch (error) {
    answer.textContent = error.message;
  }
}

async function showMore(button) {
  const groups = known.data?.found?.failures ?? known.data?.failures;
  // What cannot be read now can be asked for again.
  if (await ask(button, groups, get).catch(() => false)) show();
}

function beat() {
  tick();
  const limits = (known.data?.jobs ?? [known.data]).map((job) => job?.level !== "breached" && job?.breach_at);
  if (limits.some((limit) => limit && clock() > new Date(limit))) soon();
}

main.addEventListener("input", (event) => { if (event.target.name === "token") token = event.target.value; });
main.addEventListener("submit", (event) => event.preventDefault());
main.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.dataset.wish) wish(button);
  else if (button?.dataset.more) showMore(button);
});
addEventListener("hashchange", () => { refresh(); main.focus({ preventScroll: true }); scrollTo(0, 0); });
setInterval(soon, LOOK_MS);
setInterval(beat, TICK_MS);
follow();
refresh();
