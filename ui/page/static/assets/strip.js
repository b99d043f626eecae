// The verdict over a day and a week: a cell for each step, its height and colour by the
// worst verdict in it, and the share of the time for which the pair worked.
import { clock, day, duration, verdicts } from "./text.js";
import { say, w } from "./words.js";

const rows = [
  { id: "day", from: "-24h", step: "15m", cells: 96, ms: 900e3 },
  { id: "week", from: "-168h", step: "2h", cells: 84, ms: 7200e3 },
];
const every = 60000;
const svgNS = "http://www.w3.org/2000/svg";
const height = 28;
const cell = 10; // units of the drawing

// tall is how high a verdict stands: it differs without colours.
const tall = { working: 12, paused: 16, syncing: 20, failing: 28, halted: 28, unknown: 6 };

// shareOf is the share of working time in the known time, in words.
export function shareOf(samples) {
  const sum = (key) => samples.reduce((n, s) => n + (s[key] ?? 0), 0);
  const known = sum("knownSeconds");
  if (!known) return w.strip.nothing;
  const share = Math.floor((sum("workingSeconds") / known) * 1000) / 10; // rounded down: 100 means all of it
  return say(w.strip.share, { share: share.toFixed(1), time: duration(known * 1000) });
}

export class Strips {
  #call;
  #root;
  #legend;
  #rows;
  #timer = 0;

  constructor(call, root, legend) {
    this.#call = call;
    this.#root = root;
    this.#legend = legend;
    this.#rows = rows.map((row) => ({ ...row, samples: [], end: 0 }));
  }

  // load asks again; while nothing answers, what was known stands.
  async load() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.load(), every);
    if (document.hidden) return;
    await Promise.all(this.#rows.map(async (row) => {
      try {
        const { result } = await this.#call("syncd_progress", row.from, null, row.step);
        row.samples = result.samples ?? [];
        row.end = Date.parse(result.at);
      } catch { /* the page says elsewhere what is wrong */ }
    }));
    this.#draw();
  }

  #draw() {
    this.#legend.hidden = this.#rows.every((row) => !row.samples.length);
    this.#root.replaceChildren(...this.#rows.map((row) => {
      const div = document.createElement("div");
      div.className = "strip";
      const share = shareOf(row.samples);
      const name = w.strip[row.id];
      const plot = document.createElementNS(svgNS, "svg");
      for (const [key, value] of Object.entries({ viewBox: `0 0 ${row.cells * cell} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": say(w.strip.label, { name, share }) })) plot.setAttribute(key, value);
      const last = Math.floor(row.end / row.ms);
      const ground = document.createElementNS(svgNS, "path");
      ground.setAttribute("class", "ground");
      ground.setAttribute("d", `M0 ${height - 0.5}H${row.cells * cell}`);
      plot.append(ground, ...row.samples.map((s) => {
        const t = Date.parse(s.at);
        const place = row.cells - 1 - (last - Math.floor(t / row.ms));
        if (!(place >= 0)) return "";
        const verdict = s.verdict in verdicts ? s.verdict : "unknown";
        const rect = document.createElementNS(svgNS, "rect");
        for (const [key, value] of Object.entries({ class: verdict, x: place * cell + 1, width: cell - 2, y: height - tall[verdict], height: tall[verdict] })) rect.setAttribute(key, value);
        const begin = new Date(Math.floor(t / row.ms) * row.ms);
        const title = document.createElementNS(svgNS, "title");
        title.textContent = `${day(begin)} ${clock(begin).slice(0, 5)}: ${verdicts[verdict].name}, ${shareOf([s])}`;
        rect.append(title);
        return rect;
      }));
      div.append(Object.assign(document.createElement("b"), { textContent: name }), plot, Object.assign(document.createElement("small"), { textContent: share }));
      return div;
    }));
  }
}

// legend names the colours.
export function legend(el) {
  el.replaceChildren(...["working", "paused", "syncing", "failing", "halted"].map((id) => {
    const item = document.createElement("span");
    item.className = "key";
    const swatch = document.createElementNS(svgNS, "svg");
    swatch.setAttribute("viewBox", `0 0 ${cell} ${height}`);
    swatch.setAttribute("aria-hidden", "true");
    const rect = document.createElementNS(svgNS, "rect");
    for (const [key, value] of Object.entries({ class: id, x: 0, width: cell, y: height - tall[id], height: tall[id] })) rect.setAttribute(key, value);
    swatch.append(rect);
    item.append(swatch, ` ${verdicts[id].name}`);
    return item;
  }), w.page.legend);
}
