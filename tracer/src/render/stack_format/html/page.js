"use strict";
// What is in the page: frames as [name, module, kind, inlined], nodes as columns, a parent before
// its children, -1 for a root; regions by their index in each node, -1 for none.
const data = JSON.parse(document.getElementById("data").textContent);
const { frames, parent, frame, own, region, regions } = data;
const count = parent.length;
const ROW = 18;
const MOST_ROWS = 800;
const MOST_FUNCTIONS = 200;
const element = (id) => document.getElementById(id);

// Values, children in the order of their names, and places: `start` is where a node begins on
// the axis of values.
const total = own.slice();
const children = Array.from({ length: count }, () => []);
const roots = [];
for (let i = count - 1; i >= 0; i--) {
  if (parent[i] >= 0) {
    total[parent[i]] += total[i];
    children[parent[i]].push(i);
  } else {
    roots.push(i);
  }
}
const all = roots.reduce((sum, i) => sum + total[i], 0);
const start = new Float64Array(count);
const depth = new Uint32Array(count);
const nameOf = (i) => frames[frame[i]][0];
const byName = (a, b) => (nameOf(a) < nameOf(b) ? -1 : nameOf(a) > nameOf(b) ? 1 : a - b);
const place = (list, from) => {
  list.sort(byName);
  for (const i of list) {
    start[i] = from;
    from += total[i];
  }
};
place(roots, 0);
for (let i = 0; i < count; i++) {
  if (parent[i] >= 0) depth[i] = depth[parent[i]] + 1;
  place(children[i], start[i]);
}

// Inlined and called copies are one function.
const functions = new Map();
const functionOf = frames.map(([name, module, kind]) => {
  const key = JSON.stringify([name, module, kind]);
  if (!functions.has(key)) {
    functions.set(key, { id: functions.size, name, module, kind, own: 0, total: 0 });
  }
  return functions.get(key);
});
for (let i = 0; i < count; i++) {
  const self = functionOf[frame[i]];
  self.own += own[i];
  let caller = parent[i];
  while (caller >= 0 && functionOf[frame[caller]] !== self) caller = parent[caller];
  if (caller < 0) self.total += total[i];
}

const COLOURS = {
  kernel: [24, 100, 58], go: [187, 52, 57], go_runtime: [225, 62, 72], native: [46, 85, 62],
  inlined: [140, 45, 60], thread: [0, 0, 72], unresolved: [0, 70, 68], note: [0, 70, 68],
};
const LEGEND = {
  kernel: "kernel", go: "Go", go_runtime: "Go runtime", native: "C, C++, Rust", inlined: "inlined",
  unresolved: "no name",
};
const shadeOf = (name) => {
  let hash = 2166136261;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 16777619);
  return (hash >>> 0) % 12;
};
const css = ([hue, saturation, light], shade) => `hsl(${hue} ${saturation}% ${light + shade - 6}%)`;
const colours = frames.map(([name, , kind, inlined]) =>
  css(COLOURS[inlined ? "inlined" : kind], shadeOf(name)));
const begins = (i) => region[i] >= 0 && regions[region[i]].hot
  && (parent[i] < 0 || region[parent[i]] !== region[i]);

const percent = (value) => (all ? (100 * value / all).toFixed(1) + "%" : "0.0%");
const bytes = (value) => {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  while (value >= 1024 && at < units.length - 1) { value /= 1024; at += 1; }
  return (at ? value.toFixed(1) : value) + " " + units[at];
};
const amount = (value) => {
  if (data.unit === "bytes") return bytes(value);
  if (data.unit === "samples") return value.toLocaleString("en") + (value === 1 ? " sample" : " samples");
  if (value < 1e3) return value + " ns";
  if (value < 1e6) return (value / 1e3).toFixed(1) + " µs";
  if (value < 1e9) return (value / 1e6).toFixed(1) + " ms";
  return (value / 1e9).toFixed(2) + " s";
};

// What is looked at.
const view = { zoom: -1, search: null, region: -1, rootsOnTop: false, sort: "own", selected: -1 };

const canvas = element("graph");
const pen = canvas.getContext("2d");
let drawn = [];
let rows = 0;

const isMatch = (i) => (view.region >= 0 && region[i] === view.region)
  || (view.search !== null && view.search.test(nameOf(i)));

// The nodes in sight and where: [node, x, width] in pixels.
const visible = (width) => {
  const from = view.zoom < 0 ? 0 : start[view.zoom];
  const span = view.zoom < 0 ? all : total[view.zoom];
  const found = [];
  for (let i = view.zoom < 0 ? -1 : parent[view.zoom]; i >= 0; i = parent[i]) found.push([i, 0, width]);
  const open = view.zoom < 0 ? roots.slice() : [view.zoom];
  while (open.length) {
    const i = open.pop();
    const pixels = total[i] / span * width;
    if (!(pixels >= 0.4) || depth[i] >= MOST_ROWS) continue;
    found.push([i, (start[i] - from) / span * width, pixels]);
    for (const child of children[i]) open.push(child);
  }
  return found;
};

const fitted = (text, width) => {
  const letters = Math.floor((width - 6) / 6.7);
  if (letters < 3) return "";
  return text.length <= letters ? text : "…" + text.slice(text.length - letters + 1);
};

const draw = () => {
  const width = canvas.clientWidth;
  drawn = visible(width);
  rows = drawn.reduce((most, [i]) => Math.max(most, depth[i] + 1), 1);
  const height = rows * ROW;
  const ratio = height > 8000 ? 1 : Math.min(window.devicePixelRatio || 1, 2);
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  canvas.style.height = height + "px";
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.font = "11px ui-monospace, monospace";
  pen.textBaseline = "middle";
  const searching = view.search !== null || view.region >= 0;
  for (const [i, x, w] of drawn) {
    const y = view.rootsOnTop ? depth[i] * ROW : height - (depth[i] + 1) * ROW;
    const isAncestor = view.zoom >= 0 && depth[i] < depth[view.zoom];
    pen.globalAlpha = isAncestor ? 0.5 : 1;
    pen.fillStyle = searching && isMatch(i) ? "#e60fe6" : colours[frame[i]];
    pen.fillRect(x, y, Math.max(w - 0.6, 0.4), ROW - 1);
    if (begins(i)) {
      pen.strokeStyle = "#d0208f";
      pen.lineWidth = 2;
      pen.strokeRect(x + 1, y + 1, Math.max(w - 2.6, 0.4), ROW - 3);
    }
    const label = fitted(nameOf(i), w);
    if (label) {
      pen.fillStyle = "#000";
      pen.fillText(label, x + 3, y + ROW / 2);
    }
  }
  pen.globalAlpha = 1;
  element("reset").disabled = view.zoom < 0;
};

const nodeAt = (event) => {
  const row = Math.floor(event.offsetY / ROW);
  const level = view.rootsOnTop ? row : rows - 1 - row;
  const hit = drawn.find(([i, x, w]) => depth[i] === level && event.offsetX >= x && event.offsetX < x + w);
  return hit ? hit[0] : -1;
};

const describe = (i) => {
  const [name, module, kind, inlined] = frames[frame[i]];
  const where = kind === "kernel" ? " (kernel)" : module ? ` (${module})` : "";
  return `${name}${inlined ? " [inlined]" : ""}${where}: ${amount(total[i])}, ${percent(total[i])}; self ${percent(own[i])}`;
};

// Share of all that has a match in its stack.
const matchedValue = () => {
  let sum = 0;
  const below = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const covered = parent[i] >= 0 && below[parent[i]];
    const match = isMatch(i);
    if (match && !covered) sum += total[i];
    below[i] = covered || match ? 1 : 0;
  }
  return sum;
};

const row = (cells, attributes) => {
  const tr = document.createElement("tr");
  for (const [text, isText] of cells) {
    const td = tr.insertCell();
    td.textContent = text;
    if (isText) td.className = "text";
  }
  Object.assign(tr.dataset, attributes);
  return tr;
};

const listFunctions = () => {
  const hidden = new Set(["thread", "note"]);
  const shown = [...functions.values()].filter((f) => !hidden.has(f.kind)
    && (view.search === null || view.search.test(f.name)));
  shown.sort((a, b) => b[view.sort] - a[view.sort] || b.total - a.total || (a.name < b.name ? -1 : 1));
  const lines = shown.slice(0, MOST_FUNCTIONS).map((f) => row([
    [percent(f.own)], [percent(f.total)], [f.kind === "kernel" ? f.name + " [k]" : f.name, true],
    [f.module.split("/").pop(), true],
  ], { function: f.id }));
  document.querySelector("#top tbody").replaceChildren(...lines);
  for (const button of document.querySelectorAll("#top [data-sort]")) {
    button.setAttribute("aria-pressed", String(button.dataset.sort === view.sort));
  }
};

// Values of the calls into and out of a function, greatest first. A call of itself is none.
const neighbours = (id) => {
  const callers = new Map();
  const callees = new Map();
  const add = (map, f, value) => map.set(f, (map.get(f) || 0) + value);
  for (let i = 0; i < count; i++) {
    const self = functionOf[frame[i]];
    const caller = parent[i] < 0 ? null : functionOf[frame[parent[i]]];
    if (caller === null || caller === self) continue;
    if (self.id === id) add(callers, caller, total[i]);
    if (caller.id === id) add(callees, self, total[i]);
  }
  const sorted = (map) => [...map].sort((a, b) => b[1] - a[1]);
  return [sorted(callers), sorted(callees)];
};

const listNeighbours = () => {
  const self = [...functions.values()][view.selected];
  element("peek-hint").hidden = Boolean(self);
  if (!self) return;
  const [callers, callees] = neighbours(self.id);
  const line = (side) => ([f, value]) => row([[percent(value)], [side], [f.name, true]], { function: f.id });
  const middle = row([[percent(self.total)], [`self ${percent(self.own)}`], [self.name, true]], {});
  middle.className = "self";
  element("peek-name").textContent = `Callers and callees of ${self.name}`;
  document.querySelector("#peek tbody").replaceChildren(
    ...callers.map(line("caller")), middle, ...callees.map(line("callee")));
};

const listRegions = () => {
  element("regions").hidden = !regions.length;
  const lines = regions.map((r, at) => {
    const leads = r.leads.map(([name, value]) => `${name} ${percent(value)}`).join(", ");
    const line = row([[percent(r.value)], [r.threshold + "%"], [r.name, true], [leads, true]], { region: at });
    if (r.hot) line.className = "hot";
    return line;
  });
  document.querySelector("#regions tbody").replaceChildren(...lines);
};

const listLegend = () => {
  const used = new Set(frames.map(([, , kind, inlined]) => (inlined ? "inlined" : kind)));
  const item = (name, colour) => {
    const li = document.createElement("li");
    const swatch = document.createElement("i");
    if (colour) swatch.style.background = colour;
    else swatch.className = "mark";
    li.append(swatch, name);
    return li;
  };
  const items = Object.keys(LEGEND).filter((kind) => used.has(kind))
    .map((kind) => item(LEGEND[kind], css(COLOURS[kind], 6)));
  if (regions.some((r) => r.hot)) items.push(item("a hot region begins"));
  element("legend").replaceChildren(...items);
};

const remember = () => {
  const state = new URLSearchParams();
  if (element("search").value) state.set("search", element("search").value);
  if (view.zoom >= 0) state.set("zoom", view.zoom);
  if (view.selected >= 0) state.set("function", view.selected);
  const hash = state.toString();
  history.replaceState(null, "", hash ? "#" + hash : location.pathname + location.search);
};

const search = (text) => {
  view.search = null;
  if (text) {
    try {
      view.search = new RegExp(text, "i");
    } catch {
      view.search = new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "i");
    }
  }
  show();
};

const zoom = (i) => {
  view.zoom = i;
  if (i >= 0) element("status").textContent = describe(i);
  show();
};

const select = (id) => {
  view.selected = id;
  listNeighbours();
  remember();
};

const show = () => {
  const searching = view.search !== null || view.region >= 0;
  element("matched").textContent = searching ? `matched ${percent(matchedValue())}` : "";
  listFunctions();
  draw();
  remember();
};

const recall = () => {
  const state = new URLSearchParams(location.hash.slice(1));
  const index = (key, limit) => {
    const value = Number.parseInt(state.get(key) ?? "", 10);
    return value >= 0 && value < limit ? value : -1;
  };
  view.zoom = index("zoom", count);
  view.selected = index("function", functions.size);
  element("search").value = state.get("search") ?? "";
};

canvas.addEventListener("mousemove", (event) => {
  const i = nodeAt(event);
  element("status").textContent = i < 0 ? "\u00a0" : describe(i);
});
canvas.addEventListener("click", (event) => {
  const i = nodeAt(event);
  if (i < 0) return;
  select(functionOf[frame[i]].id);
  zoom(i);
});
element("search").addEventListener("input", (event) => {
  view.region = -1;
  search(event.target.value);
});
element("reset").addEventListener("click", () => zoom(-1));
element("turn").addEventListener("click", () => {
  view.rootsOnTop = !view.rootsOnTop;
  element("turn").textContent = view.rootsOnTop ? "Roots at the bottom" : "Roots on top";
  draw();
});
document.addEventListener("click", (event) => {
  const line = event.target.closest("tr");
  if (line?.dataset.function !== undefined) select(Number(line.dataset.function));
  if (line?.dataset.region !== undefined) {
    const at = Number(line.dataset.region);
    view.region = view.region === at ? -1 : at;
    show();
  }
  const sort = event.target.dataset?.sort;
  if (sort) {
    view.sort = sort;
    listFunctions();
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") zoom(-1);
  if (event.key === "/" && event.target.tagName !== "INPUT") {
    event.preventDefault();
    element("search").focus();
  }
});
window.addEventListener("resize", draw);

recall();
listRegions();
listLegend();
search(element("search").value);
listNeighbours();
