// A run under way: what it has done, how fast, and how many requests it allows itself, with the reason.
"use strict";

import { faint, make, table } from "./dom.js";
import { rateNow, spark, throughput } from "./charts.js";
import { because, bytes, count, number, phase, since } from "./words.js";

// Why a limit is what it is: the words of the engine's reasons.
const REASONS = {
  start: "as every run begins: nothing has spoken for more or fewer",
  given: "as it is configured",
  trying: "it held requests back, so more are tried",
  climbing: "the last step up moved more",
  falling: "fewer move more: requests had only queued",
  enough: "more at once brought no more",
  most: "more is not tried",
  throttled: "the endpoint asked to slow down",
  recovering: "it comes back after the endpoint asked to slow down",
};

const CLASSES = { read: "reads", write: "writes", list: "lists", other: "other requests" };

const kind = (limit) => CLASSES[limit.class] ?? limit.class;

const decided = ({ copied, kept, skipped, failed }) => copied + kept + skipped + failed;

// What of it was said in numbers, such as `goodput grew 12 %`.
const figures = (words) => words.match(/(\d[\d.]* (?:%|s ago))\)$/)?.[1];

function concurrency(run) {
  if (!run.limits.length) return make("p", { class: "faint" }, "no request needed a limit yet");
  const rows = run.limits.map((limit) => {
    const pace = limit.per_second ? `, ${number(Math.round(limit.per_second))} a second` : "";
    const numbers = figures(limit.words);
    const why = (REASONS[limit.reason] ?? limit.words) + (numbers ? ` (${numbers})` : "");
    return [`${kind(limit)} at the ${limit.side}`, `${number(limit.at_once)} at once${pace}`, why];
  });
  return table("concurrency and its reasons", ["requests", "concurrency", "why"], rows);
}

const fact = (name, value, note) => make("div", { class: "fact" }, make("dt", {}, name), make("dd", {}, value, note ? make("small", {}, note) : null));

function facts({ objects, bytes: sums, requests, throttled }) {
  const [asked, refused] = [requests[0] + requests[1], throttled[0] + throttled[1]];
  return make("dl", { class: "facts" },
    fact("decided", number(decided(objects)), `of ${number(objects.listed)} listed so far`),
    fact("copied", number(objects.copied), `${bytes(sums.copied)}, each proven`),
    fact("kept", number(objects.kept), "the target had them"),
    fact("failed or skipped", number(objects.failed + objects.skipped), objects.failed + objects.skipped ? "see below" : "none"),
    fact("requests", number(asked), refused ? `${number(refused)} were asked to slow down` : "none was asked to slow down"));
}

export function progress(run) {
  const { listed } = run.objects;
  return make("section", { class: "part live", "data-key": "live", "data-live": run.run }, make("h2", {}, "Running now"),
    make("p", {}, make("strong", { class: "phase" }, phase(run.phase)), " for ", since("for", run.since), faint(`, because ${because(run.because)}`)),
    make("progress", { max: Math.max(1, listed), value: Math.min(listed, decided(run.objects)), "aria-label": "objects decided of those listed so far" }),
    facts(run), make("h3", {}, "Throughput"), throughput(run.moved), make("h3", {}, "Concurrency, and why"), concurrency(run));
}

// The same in a row of the overview.
export function brief(run) {
  // Of all classes, writes tell most: they are what a copy waits for.
  const most = run.limits.find((limit) => limit.class === "write") ?? run.limits.find((limit) => limit.class === "read") ?? run.limits[0];
  const limit = most ? `, ${number(most.at_once)} ${kind(most)} at once: ${REASONS[most.reason] ?? most.reason}` : "";
  const failed = run.objects.failed + run.objects.skipped;
  return make("div", { class: "brief", "data-live": run.run },
    make("p", {}, make("strong", {}, phase(run.phase)), ` ${number(decided(run.objects))} of ${number(run.objects.listed)}, ${bytes(rateNow(run.moved))}/s`),
    spark(run.moved),
    make("p", { class: "faint" }, "for ", since("for", run.since), limit),
    failed ? make("p", { class: "bad-words" }, `${count(failed, "key")} failed or skipped`) : null);
}
