// What failed, by kind: how many keys, what to do, the first keys of each kind, and more of them when the reader asks. However many there
// are, the page holds only what was asked for.
"use strict";

import { faint, foreign, make, table } from "./dom.js";
import { count, number } from "./words.js";

const MORE_MAX = 1000; // Keys of one kind on the page; who needs all of them takes the report.

const more = new Map(); // By run, status and kind: what was asked for.

const keyOf = (run, group) => `${run}/${group.status}/${group.kind}`;

const shownOf = (run, group) => more.get(keyOf(run, group)) ?? group.first;

function kind(run, group, hasMore, isFirst) {
  const shown = shownOf(run, group);
  const rows = shown.map((failure) => [foreign(failure.key, "key"), foreign(failure.message)]);
  const rest = group.objects - shown.length;
  const canAsk = hasMore && rest > 0 && shown.length < MORE_MAX;
  const what = { "data-run": run, "data-status": group.status, "data-kind": group.kind, "data-from": shown.length };
  const attributes = { type: "button", "data-more": keyOf(run, group), ...what };
  return make("details", { class: "kind", "data-key": `${group.status}/${group.kind}`, open: isFirst },
    make("summary", {}, make("strong", {}, group.kind.replaceAll("_", " ")), ` ${count(group.objects, "key")} ${group.status}`),
    group.hint ? make("p", { class: "hint" }, foreign(group.hint)) : null,
    table(`keys that are ${group.status}: ${group.kind}`, ["key", "what happened"], rows),
    rest > 0 ? make("p", {}, canAsk ? make("button", attributes, "show more") : null,
      faint(` ${number(shown.length)} of ${number(group.objects)} are shown${canAsk ? "" : `: \`brigade report ${run}\` prints all`}`)) : null);
}

// The groups of a run; `hasReport` where more can be asked for.
export function failures(run, groups, hasReport, isCut) {
  if (!groups?.length) return null;
  const sums = new Map();
  for (const group of groups) sums.set(group.status, (sums.get(group.status) ?? 0) + group.objects);
  const words = [...sums].map(([status, objects]) => `${count(objects, "key")} ${status}`).join(", ");
  return make("section", { class: "part failures", "data-key": "failures" }, make("h2", {}, "Failures by kind"),
    make("p", {}, groups.length > 1 ? `${words}.` : "", isCut ? ` The report is too long to be counted here: \`brigade report ${run}\` has all of them.` : ""),
    groups.map((group, at) => kind(run, group, hasReport, at === 0)));
}

// The reader asks for more of a kind. The answer is whether there is anything new to show.
export async function ask(button, groups, get) {
  const { run, status, kind: name, from } = button.dataset;
  const group = groups?.find((one) => one.status === status && one.kind === name);
  if (!group) return false;
  const answer = await get(`/api/runs/${encodeURIComponent(run)}/failures?status=${status}&kind=${name}&from=${from}`);
  const shown = shownOf(run, group);
  if (shown.length !== Number(from)) return false;
  more.set(keyOf(run, group), [...shown, ...answer.failures].slice(0, MORE_MAX));
  return answer.failures.length > 0;
}
