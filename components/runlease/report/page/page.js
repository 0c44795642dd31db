"use strict";
// The matrix identity × object, and the chain of one identity. Everything shown is set as text, never as markup.
const data = JSON.parse(document.getElementById("data").textContent);
const PAGE = 50, COLUMNS = 40;
const byId = (id) => document.getElementById(id);
let from = 0, shown = [];

function element(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

// Letters of a holder on every object: {object: letters}, over all of its ways. Holders that share their ways share it.
const known = new Map();
function letters(ways, side) {
  const key = `${side} ${ways}`;
  if (!known.has(key)) known.set(key, lettersOf(ways, side));
  return known.get(key);
}

function lettersOf(ways, side) {
  const found = new Map();
  for (const way of ways) {
    for (const [object, text] of data.ways[way][side]) {
      const all = new Set(found.get(object) || "");
      for (const letter of text) all.add(letter);
      found.set(object, [...all].join(""));
    }
  }
  return found;
}

function differs(holder) {
  const [, before, after] = holder;
  return String(before) !== String(after) || after.some((way) => data.ways[way].changed);
}

function columns(holders, wanted) {
  const used = new Set();
  const ways = new Set(holders.flatMap(([, before, after]) => [...before, ...after]));
  for (const way of ways) for (const side of ["before", "after"]) for (const [object] of data.ways[way][side]) used.add(object);
  return [...used].sort((a, b) => a - b).filter((object) => data.objects[object].toLowerCase().includes(wanted));
}

function cell(before, after) {
  const made = element("td");
  const kept = [...after].filter((letter) => before.includes(letter)).join("");
  const gained = [...after].filter((letter) => !before.includes(letter)).join("");
  const lost = [...before].filter((letter) => !after.includes(letter)).join("");
  if (kept) made.append(kept);
  if (gained) made.append(element("ins", gained));
  if (lost) made.append(element("del", lost));
  return made;
}

function row(holder, objects) {
  const [name, before, after] = holder;
  const made = element("tr"), head = element("th", undefined, { scope: "row", title: name });
  const button = element("button", name, { type: "button" });
  button.addEventListener("click", () => chain(holder));
  head.append(button);
  made.append(head);
  const old = letters(before, "before"), now = letters(after, "after");
  for (const object of objects) made.append(cell(old.get(object) || "", now.get(object) || ""));
  return made;
}

function draw() {
  const page = shown.slice(from, from + PAGE);
  const all = columns(page, byId("object").value.toLowerCase()), objects = all.slice(0, COLUMNS);
  const head = element("tr");
  head.append(element("th", "identity, member", { scope: "col" }));
  for (const object of objects) head.append(element("th", data.objects[object], { scope: "col" }));
  byId("head").replaceChildren(head);
  byId("rows").replaceChildren(...page.map((holder) => row(holder, objects)));
  const last = Math.min(from + PAGE, shown.length);
  const more = all.length > COLUMNS ? `; ${all.length - COLUMNS} more objects: narrow the search` : "";
  byId("count").textContent = shown.length ? `${from + 1}–${last} of ${shown.length}${more}` : "nothing found";
  byId("earlier").disabled = from === 0;
  byId("later").disabled = last === shown.length;
}

function search() {
  const wanted = byId("identity").value.toLowerCase(), only = byId("changed").checked;
  shown = data.holders.filter((holder) => holder[0].toLowerCase().includes(wanted) && (!only || differs(holder)));
  from = 0;
  draw();
}

function node(text, small) {
  const made = element("div", text, { class: "node" });
  if (small) made.append(element("small", small));
  return made;
}

function chain(holder) {
  const [name, before, after] = holder;
  const made = [...new Set([...before, ...after])].map((number) => {
    const way = data.ways[number];
    const state = !before.includes(number) ? "gained" : !after.includes(number) ? "lost" : "";
    const line = element("div", undefined, { class: `way ${state}` });
    const parts = [node(name, "identity or member")];
    if (way.lease) parts.push(node(way.lease, `lease: ${way.life}`));
    parts.push(node(way.role, `role in ${way.database}`));
    if (way.owner) parts.push(node(way.owner, "becomes this owner"));
    parts.forEach((part, place) => line.append(...(place ? [element("span", "→", { class: "arrow" })] : []), part));
    const list = element("ul", undefined, { class: "grants" });
    const old = new Map(way.before), now = new Map(way.after);
    for (const object of new Set([...old.keys(), ...now.keys()])) {
      const item = element("li", `${data.objects[object]}: `);
      item.append(...cell(state === "gained" ? "" : old.get(object) || "", state === "lost" ? "" : now.get(object) || "").childNodes);
      list.append(item);
    }
    if (state) line.append(element("span", state === "gained" ? "new way" : "way that ends", { class: "badge" }));
    line.append(list);
    return line;
  });
  byId("chain").replaceChildren(element("h3", `How ${name} gets there`), ...made);
  byId("chain").focus();
}

byId("identity").addEventListener("input", search);
byId("object").addEventListener("input", draw);
byId("changed").addEventListener("change", search);
byId("earlier").addEventListener("click", () => { from = Math.max(0, from - PAGE); draw(); });
byId("later").addEventListener("click", () => { from += PAGE; draw(); });
search();
