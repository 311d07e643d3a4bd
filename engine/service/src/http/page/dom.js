// Elements, made by name and filled with text: nothing here makes markup of a string, so whatever a bucket holds stays text.
//
// A view is a new tree for everything it shows; `patch` changes the old tree into it, so that what the reader holds on to (the focus, a
// selection, what is unfolded, what is typed) stays where it is. What bears a `data-key` is known again wherever it stands among its siblings.
"use strict";

const SVG = "http://www.w3.org/2000/svg";

// What belongs to the reader, or is said to them alone, and not to the view: attributes, and the insides of what bears `data-own`.
const OWN_ATTRIBUTES = new Set(["open"]);

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const make = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);

export const draw = (name, attributes, ...children) => fill(document.createElementNS(SVG, name), attributes, children);

export const link = (to, ...children) => make("a", { href: to }, ...children);

export const faint = (...children) => make("span", { class: "faint" }, ...children);

// Text that comes from a bucket or a store: its direction is its own and reaches nothing around it.
export const foreign = (text, kind) => make("bdi", { class: kind ?? "foreign" }, text ?? "");

// A heading with what belongs to it.
export function part(title, ...children) {
  return make("section", { class: "part", "data-key": title }, make("h2", {}, title), ...children);
}

// Rows of cells under their heads. A cell is text, a node, or a list of them. A column whose head begins with `#` holds numbers, with
// `##` numbers for which a phone has no room.
const columnKind = (head) => (head.startsWith("##") ? "number roomy" : head.startsWith("#") ? "number" : null);

export function table(caption, heads, rows) {
  const kinds = heads.map(columnKind);
  const head = heads.map((text, at) => make("th", { scope: "col", class: kinds[at] }, text.replace(/^#+/, "")));
  const row = (cells) => make("tr", {}, cells.map((cell, at) => make("td", { class: kinds[at] }, cell)));
  return make("div", { class: "table", tabindex: "0", role: "region", "aria-label": caption },
    make("table", {}, make("thead", {}, make("tr", {}, head)), make("tbody", {}, rows.map(row))));
}

export function patch(old, fresh) {
  const isOther = old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName || old.dataset?.key !== fresh.dataset?.key;
  if (isOther) {
    old.replaceWith(fresh);
  } else if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
  } else {
    patchAttributes(old, fresh);
    if (!("own" in old.dataset)) patchChildren(old, [...fresh.childNodes]);
  }
}

function patchAttributes(old, fresh) {
  const names = [...fresh.attributes, ...old.attributes].map(({ name }) => name).filter((name) => !OWN_ATTRIBUTES.has(name));
  for (const name of names) {
    const value = fresh.getAttribute(name);
    if (value === null) old.removeAttribute(name);
    else if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
}

export function patchChildren(old, fresh) {
  const keyed = new Map([...old.children].filter((child) => child.dataset.key).map((child) => [child.dataset.key, child]));
  let at = old.firstChild;
  for (const child of fresh) {
    const known = child.dataset?.key ? keyed.get(child.dataset.key) : at?.dataset?.key ? null : at;
    if (!known) old.insertBefore(child, at);
    else if (known === at) at = at.nextSibling;
    else old.insertBefore(known, at);
    if (known) patch(known, child);
  }
  while (at) {
    const rest = at;
    at = at.nextSibling;
    rest.remove();
  }
}
