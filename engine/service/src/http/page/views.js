// The views: all jobs, one job, one run. Each is made of what the service says and of nothing else.
"use strict";

import { faint, foreign, link, make, part, table } from "./dom.js";
import { meter, runs, shares } from "./charts.js";
import { failures } from "./failures.js";
import { brief, progress } from "./progress.js";
import { PROOFS, at, bytes, clock, count, level, moment, number, outcome, pill, secondsBetween, since, span } from "./words.js";

const ORDER = { breached: 0, at_risk: 1 };

const jobLink = (name) => `#job/${encodeURIComponent(name)}`;
const runLink = (job, run) => (job ? `${jobLink(job)}/${run}` : `#run/${run}`);

const route = (job) => make("p", { class: "route" },
  foreign(job.source ?? "gone from the configuration"),
  " ", make("span", { class: "arrow", role: "img", "aria-label": "to" }, "→"), " ", foreign(job.target ?? ""));

// The copy's age against what it may be.
function age(job) {
  const point = job.recovery_point_seconds;
  const known = job.lag_seconds === null ? job.age : since("for", job.proven_through);
  const old = job.lag_seconds === null ? null : " old";
  const told = make("p", { class: "age" }, make("strong", {}, known), old);
  if (point === null) return told;
  const value = job.lag_seconds === null ? point : (clock() - new Date(job.proven_through)) / 1000;
  const until = job.breach_at && job.level !== "breached" ? `, until ${moment(job.breach_at)}` : "";
  return [told, meter(job.level, `age of the copy in seconds, of at most ${span(point)}`, value, point),
    make("small", {}, `may be ${span(point)} old${until}`)];
}

function next(job) {
  if (job.paused) return make("p", {}, pill("rest", "paused"), faint(" until somebody resumes it"));
  if (job.waiting) return make("p", {}, "due ", since("ago", job.waiting.since), faint(`, waits for ${job.waiting.on}`));
  if (job.next) return [make("p", {}, "next ", since("in", job.next)), make("small", {}, `at ${moment(job.next)}${job.schedule ? `, ${job.schedule}` : ""}`)];
  return make("p", { class: "faint" }, job.after?.length ? `follows ${job.after.join(", ")}` : "starts by hand");
}

function lastRun(job) {
  if (!job.last) return make("p", { class: "faint" }, "has not run yet");
  const { last } = job;
  return [make("p", {}, outcome(last.outcome), " ", link(runLink(job.job, last.run), since("ago", last.ended))),
    make("small", {}, `took ${span(secondsBetween(last.began, last.ended))}`)];
}

function row(job) {
  return make("article", { class: `job ${job.level ?? "none"}`, "data-key": job.job },
    make("div", { class: "who" },
      make("h2", {}, link(jobLink(job.job), job.job)),
      make("p", {}, level(job.level), job.running ? pill("busy", "running") : null),
      route(job)),
    make("div", { class: "how-old" }, make("h3", {}, "Copy age"), age(job)),
    make("div", { class: "last" }, make("h3", {}, "Last runs"), runs(job.runs), lastRun(job)),
    make("div", { class: "ahead" }, make("h3", {}, job.running ? "Now" : "Next run"), job.running ? brief(job.running) : next(job)));
}

function headline(jobs) {
  const breached = jobs.filter((job) => job.level === "breached");
  const old = breached.filter((job) => job.lag_seconds !== null);
  const unproven = breached.filter((job) => job.lag_seconds === null);
  const risky = jobs.filter((job) => job.level === "at_risk");
  const watched = jobs.filter((job) => job.level);
  const running = jobs.filter((job) => job.running).length;
  const names = (list) => list.map((job) => job.job).join(", ");
  const bad = [
    old.length ? `${count(old.length, "copy misses its objective", "copies miss their objective")}: ${names(old)}` : null,
    unproven.length ? `${count(unproven.length, "copy is", "copies are")} not proven yet: ${names(unproven)}` : null,
  ].filter(Boolean);
  const [kind, words] = bad.length ? ["bad", bad.join("; ")]
    : risky.length
      ? ["risk", `${count(risky.length, "copy will miss its objective", "copies will miss their objective")} soon: ${names(risky)}`]
    : watched.length ? ["good", "Every copy meets its objective"] : ["none", "No job has an objective"];
  return make("div", { class: `headline ${kind}` },
    make("h1", {}, words), make("p", { class: "faint" }, `${count(jobs.length, "job")}, ${running} running`));
}

export function overview(all) {
  const order = (job) => ORDER[job.level] ?? (job.running ? 2 : 3);
  const jobs = [...all.jobs].sort((one, other) => order(one) - order(other) || one.job.localeCompare(other.job));
  const { refused } = all.configuration;
  const { trouble, pending } = all.notifications ?? {};
  return [
    headline(jobs),
    all.stopping ? make("p", { class: "notice" }, "The service is stopping; runs under way finish what is in flight.") : null,
    refused ? make("p", { class: "notice bad" }, "The configuration is not understood, and the one before counts: ", foreign(refused)) : null,
    trouble ? make("p", { class: "notice bad" }, `${count(pending, "notification")} could not be delivered yet: `, foreign(trouble)) : null,
    jobs.length ? make("div", { class: "jobs" }, jobs.map(row)) : make("p", {}, "The configuration has no jobs yet."),
  ];
}

const READ_ONLY = "This page only reads: no token is configured, so nobody can pause or start anything here.";

function wishes(job) {
  if (!job.may_change) return make("p", { class: "faint read-only" }, READ_ONLY);
  const button = (wish, text) => make("button", { type: "button", "data-wish": wish, "data-job": job.job }, text);
  return make("form", { class: "wishes", "data-key": "wishes" },
    make("label", {}, "token ", make("input", { type: "password", name: "token", autocomplete: "off", spellcheck: "false" })),
    button("run", "run now"), job.paused ? button("resume", "resume") : button("pause", "pause"),
    make("p", { class: "answer", role: "status", "data-own": true }));
}

const trail = (...steps) => make("nav", { "aria-label": "where you are", class: "trail" },
  link("#", "all jobs"), steps.filter(Boolean).map((step) => [make("span", { "aria-hidden": "true" }, " / "), step]));

// A place of which there is nothing to show.
export const nothing = (why) => [trail(), make("h1", {}, "Nothing to show"), make("p", { class: "notice bad" }, foreign(why))];

const fact = (name, ...value) => make("div", { class: "fact" }, make("dt", {}, name), make("dd", {}, value));

function standing(job) {
  return make("dl", { class: "facts" },
    fact("copy age", age(job)),
    fact("next run", next(job)),
    fact("last run", lastRun(job)),
    fact("longest run", span(job.longest_run_seconds), make("small", {}, "of the last 31 complete ones")),
    job.class ? fact("class", job.class) : null, job.tenant ? fact("tenant", job.tenant) : null);
}

// Objects that are not yet proven, by how long they have been waiting.
function outstanding(job) {
  const bands = job.outstanding.filter((band) => band.objects > 0);
  if (!bands.length) return null;
  const rows = bands.map((band) => [band.up_to_seconds === null ? "longer" : `up to ${span(band.up_to_seconds)}`, number(band.objects)]);
  return part("Keys not yet proven", table("keys not yet proven, by age", ["for", "#keys"], rows));
}

const RUN_HEADS = ["began", "ended", "#took", "#copied", "##bytes", "#not copied"];
const RECENT = 10; // Runs that are shown before somebody unfolds the others.

function runRows(job) {
  return [...job.runs].reverse().map((run) => [link(runLink(job.job, run.run), at(run.started)), outcome(run.outcome),
    span(secondsBetween(run.started, run.finished)), number(run.objects.copied), bytes(run.bytes.copied), number(run.objects.failed + run.objects.skipped)]);
}

function history(job) {
  if (!job.runs.length) return part("Runs", faint("no runs yet"));
  const rows = runRows(job);
  const earlier = rows.slice(RECENT);
  const folded = () => make("details", { class: "earlier" },
    make("summary", {}, count(earlier.length, "earlier run")), table("earlier runs", RUN_HEADS, earlier));
  return part("Runs", runs(job.runs), table("the last runs", RUN_HEADS, rows.slice(0, RECENT)), earlier.length ? folded() : null);
}

export function job(job) {
  const events = [...job.events].reverse().map((event) => [at(event.at), event.event.replaceAll("_", " "), foreign(event.message)]);
  const found = job.found;
  return [
    trail(job.job),
    make("div", { class: "title" }, make("h1", {}, job.job), level(job.level),
      job.running ? pill("busy", "running") : null, job.paused ? pill("rest", "paused") : null),
    route(job), standing(job), wishes(job),
    found?.report?.reason ? make("p", { class: "notice bad" }, `The last run was ${found.report.outcome}: `, foreign(found.report.reason)) : null,
    job.running ? progress(job.running) : null,
    found ? failures(found.run, found.failures, !found.progress, found.is_cut) : null,
    outstanding(job),
    history(job),
    part("What happened", events.length ? table("what happened", ["when", "what", "details"], events) : faint("nothing since the service began")),
  ];
}

const PROOF_KINDS = { content: "good", stored: "accent", transport: "risk" };

function proof(report) {
  const list = Object.keys(PROOFS).map((name) => ({ name, kind: PROOF_KINDS[name], value: report.proof[name] ?? 0 }));
  const swatch = (kind) => make("span", { class: `swatch ${kind}`, "aria-hidden": "true" });
  const rows = list.map(({ name, kind, value }) => [make("span", { class: "whole" }, swatch(kind), name), number(value), PROOFS[name]]);
  return part("How the copies are proven",
    shares("proofs", list), table("proof levels", ["level", "#objects", "what it means"], rows),
    make("p", { class: "faint" }, `${number(report.source_proven)} of ${number(report.objects.copied)} `
      + "were also compared with a digest that the source stores."));
}

const NAMES = { deleted_source: "originals deleted", deleted_target: "deleted at the target", server_side: "copied by the provider" };

const named = (name) => NAMES[name] ?? name.replaceAll("_", " ");

function sums(title, values, shown) {
  const rows = Object.entries(values).map(([name, value]) => [named(name), value ? shown(value) : faint("0")]);
  return part(title, table(title.toLowerCase(), ["what", "#how much"], rows));
}

function sentence(report) {
  const { copied, kept, failed, skipped, deleted_source: originals, deleted_target: extras } = report.objects;
  const parts = [`${count(copied, "object")} copied and proven`, `${number(kept)} kept`];
  if (originals + extras) parts.push(`${number(originals + extras)} deleted`);
  if (skipped) parts.push(`${number(skipped)} skipped`);
  if (failed) parts.push(`${number(failed)} failed`);
  return `${parts.join(", ")}.`;
}

export function run(found, name) {
  if (found.progress) {
    return [trail(link(jobLink(found.job), found.job), "run under way"),
      make("div", { class: "title" }, make("h1", {}, found.job), pill("busy", "running")),
      progress(found.progress), failures(found.progress.run, found.failures, false, false)];
  }
  const { report } = found;
  const dropped = Object.entries(report.dropped ?? {}).map(([what, objects]) => [what, number(objects)]);
  return [
    trail(name ? link(jobLink(name), name) : null, `run of ${moment(report.started)}`),
    make("div", { class: "title" }, make("h1", {}, `${report.command}: ${sentence(report)}`), outcome(report.outcome)),
    route(report),
    report.reason ? make("p", { class: "notice bad" }, foreign(report.reason)) : null,
    make("p", { class: "faint" },
      `${moment(report.started)} to ${moment(report.finished)}, ${span(secondsBetween(report.started, report.finished))}; `,
      `run ${report.run}, Brigade ${report.version}`,
      report.resumed_from ? `; it went on with what ${report.resumed_from} had left` : ""),
    proof(report),
    failures(report.run, found.failures, true, found.is_cut),
    make("div", { class: "columns" }, sums("Objects", report.objects, number), sums("Bytes", report.bytes, bytes), sums("Requests", report.requests, number),
      part("Peaks", table("high-water marks", ["what", "#how much"], [["memory of the process", bytes(report.peak.memory_bytes)],
        ["object bytes in flight", bytes(report.peak.in_flight_bytes)], ["requests in flight", number(report.peak.requests_in_flight)]]))),
    dropped.length ? part("Left behind", table("what the target cannot hold", ["what", "#objects"], dropped)) : null,
  ];
}
