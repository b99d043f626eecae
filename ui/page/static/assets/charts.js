// Line charts of the samples, drawn as SVG. Each series has a colour, a dash
// pattern and its value in the legend.
import { clock, day, duration, none, number, stageOf, time } from "./text.js";
import { put } from "./view.js";
import { say, w } from "./words.js";

const height = 190;
const margin = { top: 16, right: 14, bottom: 38, left: 30 };
const digit = 7; // px, of the labels at the left
const svgNS = "http://www.w3.org/2000/svg";
const markRoom = 16; // between two stage marks

const behind = (slot) => (s) => (s.wallSlot === undefined || s[slot] === undefined ? undefined : Math.max(0, s.wallSlot - s[slot]));
const field = (name) => (s) => s[name];

export const charts = [
  {
    id: "lag", title: w.charts.lag, unit: w.charts.slotsUnit, zero: true,
    series: [{ id: "gwat", name: w.charts.gwat, value: behind("gwatSlot") }, { id: "beacon", name: w.charts.beacon, value: behind("beaconSlot") }],
  },
  {
    id: "slots", title: w.charts.slots, unit: w.charts.slotUnit,
    series: [
      { id: "wall", name: w.charts.wall, value: field("wallSlot") }, { id: "gwat", name: w.charts.gwat, value: field("gwatSlot") },
      { id: "beacon", name: w.charts.beacon, value: field("beaconSlot") },
    ],
  },
  { id: "blocks", title: w.charts.blocks, unit: w.charts.blockUnit, series: [{ id: "gwat", name: w.charts.gwat, value: field("gwatNumber") }] },
  {
    id: "pushed", title: w.charts.pushed, unit: w.charts.entriesUnit, zero: true,
    series: [{ id: "gwat", name: w.charts.pushedSeries, value: field("pushDone") }, { id: "wall", name: w.charts.ofSeries, value: field("pushTotal") }],
  },
];

function svg(name, attributes, text) {
  const el = document.createElementNS(svgNS, name);
  for (const [key, value] of Object.entries(attributes)) el.setAttribute(key, value);
  if (text !== undefined) el.textContent = text;
  return el;
}

function html(name, className, text) {
  const el = document.createElement(name);
  if (className) el.className = className;
  if (text !== undefined) el.textContent = text;
  return el;
}

// ticks gives whole steps of 1, 2 or 5 times a power of ten.
export function ticks(low, high, most) {
  const raw = Math.max(1, (high - low) / most);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw);
  // Counted, not added up: at 2^64 a step of one leads nowhere.
  return Array.from({ length: most + 2 }, (_, i) => (Math.ceil(low / step) + i) * step).filter((v) => v <= high);
}

const timeSteps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400].map((s) => s * 1000);

function timeTicks(from, to, most) {
  const step = timeSteps.find((s) => (to - from) / s <= most) ?? Math.ceil((to - from) / most / 86400e3) * 86400e3;
  const out = [];
  for (let t = Math.ceil(from / step) * step; t <= to; t += step) out.push(t);
  return out;
}

export class Chart {
  #spec;
  #root;
  #plot;
  #values = {};
  #readout;
  #drawn = null;
  #pointer = null; // its newest event, as long as it is over the plot

  constructor(spec, parent) {
    this.#spec = spec;
    this.#root = html("figure", "chart");
    this.#root.dataset.chart = spec.id;
    const caption = html("figcaption");
    caption.append(html("h3", "", spec.title));
    const legend = html("p", "legend");
    for (const series of spec.series) {
      const item = html("span", "key");
      const swatch = svg("svg", { viewBox: "0 0 28 10", "aria-hidden": "true" });
      swatch.append(svg("path", { d: "M0 5H28", class: `series ${series.id}` }));
      this.#values[series.id] = html("b", "", none);
      item.append(swatch, ` ${series.name} `, this.#values[series.id]);
      legend.append(item);
    }
    caption.append(legend);
    this.#plot = svg("svg", { role: "img", class: "plot", height });
    this.#readout = html("p", "readout");
    this.#root.append(caption, this.#plot, this.#readout);
    parent.append(this.#root);
    this.#plot.addEventListener("pointermove", (e) => this.#point(e));
    this.#plot.addEventListener("pointerleave", () => this.#unpoint());
  }

  get element() { return this.#root; }

  draw(samples, from, to) {
    const seen = samples.filter((s) => s.t >= from && s.t <= to);
    // The legend has the newest sample's value: a line of a node that is gone ends before now.
    const newest = seen.at(-1);
    const lines = this.#spec.series.map((series) => ({ ...series, now: newest && series.value(newest), points: seen.map((s) => [s.t, series.value(s)]).filter(([, v]) => v !== undefined) }));
    const values = lines.flatMap((l) => l.points.map(([, v]) => v));
    this.#root.hidden = !values.length;
    const width = Math.max(240, this.#root.clientWidth);
    let low = this.#spec.zero ? 0 : Math.min(...values);
    let high = Math.max(...values);
    if (!values.length) [low, high] = [0, 1]; // nothing is seen of it
    if (high - low < 4) high = low + Math.max(4, Math.abs(low) * 1e-9); // a node may name any number
    const box = { left: margin.left + digit * number(high).length, right: width - margin.right, top: margin.top, bottom: height - margin.bottom };
    const x = (t) => box.left + ((t - from) / Math.max(1, to - from)) * (box.right - box.left);
    const y = (v) => box.bottom - ((v - low) / (high - low)) * (box.bottom - box.top);

    const out = [];
    for (const v of ticks(low, high, 4)) {
      out.push(svg("path", { class: "grid", d: `M${box.left} ${y(v)}H${box.right}` }));
      out.push(svg("text", { class: "tick", x: box.left - 6, y: y(v) + 4, "text-anchor": "end" }, number(v)));
    }
    for (const t of timeTicks(from, to, Math.max(2, Math.floor(width / 90)))) {
      out.push(svg("path", { class: "grid", d: `M${x(t)} ${box.bottom}v4` }));
      if (x(t) > box.left + 20 && x(t) < box.right - 20) {
        out.push(svg("text", { class: "tick", x: x(t), y: box.bottom + 16, "text-anchor": "middle" }, to - from > 86400e3 ? day(new Date(t)).slice(5) : clock(new Date(t)).slice(0, to - from > 3600e3 ? 5 : 8)));
      }
    }
    out.push(svg("path", { class: "axis", d: `M${box.left} ${box.top}V${box.bottom}H${box.right}` }));
    out.push(svg("text", { class: "label", x: (box.left + box.right) / 2, y: height - 5, "text-anchor": "middle" }, w.charts.time));
    const middle = (box.top + box.bottom) / 2;
    out.push(svg("text", { class: "label", x: 12, y: middle, "text-anchor": "middle", transform: `rotate(-90 12 ${middle})` }, this.#spec.unit));
    out.push(...marks(seen, x, box));
    const gap = gapOf(seen);
    for (const line of lines) {
      out.push(svg("path", { class: `series ${line.id}`, d: path(line.points, x, y, gap) }));
      const last = line.points.at(-1);
      if (last) out.push(svg("circle", { class: `end ${line.id}`, cx: x(last[0]), cy: y(last[1]), r: 3 }));
      this.#values[line.id].textContent = line.now === undefined ? none : number(line.now);
    }
    this.#plot.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const said = lines.map((l) => `${l.name} ${l.now === undefined ? w.charts.notKnown : number(l.now)}`).join(", ");
    this.#plot.setAttribute("aria-label", say(w.charts.label, { title: this.#spec.title, unit: this.#spec.unit, time: duration(to - from), values: said }));
    this.#plot.replaceChildren(...out);
    this.#root.dataset.points = values.length;
    this.#drawn = { seen, x, box, width };
    if (this.#pointer) this.#point(this.#pointer);
  }

  // point tells the values next to the pointer.
  #point(event) {
    this.#pointer = event;
    if (!this.#drawn?.seen.length) return;
    const { seen, x, box, width } = this.#drawn;
    const rect = this.#plot.getBoundingClientRect();
    const at = ((event.clientX - rect.left) / rect.width) * width;
    const sample = seen.reduce((best, s) => (Math.abs(x(s.t) - at) < Math.abs(x(best.t) - at) ? s : best));
    this.#plot.querySelector(".cross")?.remove();
    this.#plot.append(svg("path", { class: "cross", d: `M${x(sample.t)} ${box.top}V${box.bottom}` }));
    put(this.#readout, `${time(new Date(sample.t))}: ${this.#spec.series.map((s) => `${s.name} ${s.value(sample) === undefined ? none : number(s.value(sample))}`).join(", ")}`);
  }

  #unpoint() {
    this.#pointer = null;
    this.#plot.querySelector(".cross")?.remove();
    this.#readout.textContent = "";
  }
}

// marks are upright lines where the stage changes, as far as there is room.
function marks(seen, x, box) {
  const out = [];
  let last = -Infinity;
  for (let i = 1; i < seen.length; i++) {
    const at = x(seen[i].t);
    if (seen[i].stage === seen[i - 1].stage) continue;
    out.push(svg("path", { class: "change", d: `M${at} ${box.top}V${box.bottom}` }));
    if (at - last >= markRoom) {
      out.push(svg("text", { class: "tick", x: at, y: box.top - 4, "text-anchor": "middle" }, stageOf(seen[i].stage)?.mark ?? "?"));
      last = at;
    }
  }
  return out;
}

// gapOf is how far two samples may be apart before the line between them breaks.
function gapOf(seen) {
  const steps = seen.slice(1).map((s, i) => s.t - seen[i].t).sort((a, b) => a - b);
  return Math.max(5000, 5 * (steps[steps.length >> 1] ?? 0));
}

function path(points, x, y, gap) {
  let d = "";
  let before = -Infinity;
  let column = NaN;
  for (const [t, v] of points) {
    const at = Math.round(x(t) * 2) / 2;
    const moves = t - before > gap;
    if (at === column && !moves && t !== points.at(-1)[0]) continue;
    d += `${moves ? "M" : "L"}${at} ${Math.round(y(v) * 10) / 10}`;
    before = t;
    column = at;
  }
  return d;
}
