// The calls that passed the gate: a lane for each method, a mark for each call.
import { duration, number, plural, time } from "./text.js";
import { holding } from "./view.js";
import { named, say, w } from "./words.js";

const span = 300000; // ms shown
const every = 1000; // ms between two questions
const seldom = 60000; // the same while there is no gate
const most = 2000; // calls kept
const mostLanes = 12;
const rows = 20; // of the table
const widthAtFirst = 600;
const first = ["dag_headSyncReady", "dag_headSync", "dag_finalize", "dag_sync"];
const svgNS = "http://www.w3.org/2000/svg";

// kindOf is what a mark shows: its class and its word.
export function kindOf(call) {
  if (call.outcome === "absorbed") return "absorbed";
  if (call.outcome === "answered") return "answered";
  if (call.outcome === "ok" || call.outcome === "delivered") return call.tries > 1 ? "waited" : "passed";
  return "failed";
}

// lanesOf sorts the calls since a time into lanes; methods over the bound share the last.
export function lanesOf(calls, since) {
  const lanes = new Map();
  for (const call of calls) {
    if (call.t + call.durationMs < since) continue;
    if (!lanes.has(call.method)) lanes.set(call.method, []);
    lanes.get(call.method).push(call);
  }
  const place = (name) => (first.indexOf(name) + 1 || first.length + 1);
  const named = [...lanes].sort(([a], [b]) => place(a) - place(b) || a.localeCompare(b)).map(([name, list]) => ({ name, calls: list }));
  if (named.length <= mostLanes) return named;
  const rest = named.splice(mostLanes - 1);
  return [...named, { name: plural(rest.length, "method"), calls: rest.flatMap((l) => l.calls).sort((a, b) => a.seq - b.seq) }];
}

// took is a duration in few digits.
export const took = (ms) => (ms < 10 ? `${ms.toFixed(1)} ${w.page.ms}` : ms < 1000 ? `${Math.round(ms)} ${w.page.ms}` : `${(ms / 1000).toFixed(1)} ${w.time.s}`);

// said is a lane in words.
export function said(lane) {
  const times = lane.calls.map((c) => c.durationMs).sort((a, b) => a - b);
  const counts = ["waited", "answered", "absorbed", "failed"].map((kind) => [lane.calls.filter((c) => kindOf(c) === kind).length, kind]).filter(([n]) => n);
  return [plural(lane.calls.length, "call"), ...counts.map(([n, kind]) => `${number(n)} ${w.marks[kind]}`), say(w.calls.median, { time: took(times[times.length >> 1]) }), say(w.calls.longest, { time: took(times.at(-1)) })].join(", ");
}

// shapes are the marks: they differ in form, too, not by colour alone.
const shapes = {
  passed: (x, w) => `M${x} 8h${w}v8h${-w}z`,
  waited: (x, w) => `M${x} 10h${w}v4h${-w}zM${x} 6h2v12h-2z`,
  answered: (x) => `M${x - 4} 12a4 4 0 1 0 8 0a4 4 0 1 0 -8 0M${x - 2} 12a2 2 0 1 1 4 0a2 2 0 1 1 -4 0`,
  absorbed: (x) => `M${x} 5l6 7l-6 7l-6 -7z`,
  failed: (x) => `M${x - 5} 7l2 -2l3 4l3 -4l2 2l-3 5l3 5l-2 2l-3 -4l-3 4l-2 -2l3 -5z`,
};

export class Calls {
  #call;
  #list = [];
  #last = 0;
  #gate = null; // not known
  #traffic = {};
  #timer = 0;
  #shown = -1; // the last call of the table
  #$;

  // call asks syncd; $ finds an element.
  constructor(call, $) {
    this.#call = call;
    this.#$ = $;
  }

  start() { this.#ask(); }

  async #ask() {
    clearTimeout(this.#timer);
    let next = every;
    if (!document.hidden) {
      try {
        const { result } = await this.#call("syncd_calls", { after: this.#last, limit: most });
        this.#take(result);
        if (!this.#gate) next = seldom;
      } catch {
        next = 10 * every; // the page says elsewhere what is wrong; an older syncd lacks the method
      }
    }
    this.#timer = setTimeout(() => this.#ask(), next);
  }

  #take(traffic) {
    this.#gate = traffic.gate;
    this.#traffic = traffic;
    if (traffic.last < this.#last) this.#list = []; // syncd was started again
    this.#last = traffic.last;
    this.#list.push(...traffic.calls.map((c) => ({ ...c, t: Date.parse(c.at) })));
    this.#list = this.#list.slice(-most);
  }

  // draw shows the calls of the time up to now, by syncd's clock.
  draw(now) {
    const $ = this.#$;
    const since = now - span;
    const width = $("lanes").querySelector("svg")?.clientWidth || widthAtFirst;
    const lanes = this.#gate ? lanesOf(this.#list, since) : [];
    const text = (id, words) => { if ($(id).textContent !== words) $(id).textContent = words; };
    text("calls-none", this.#gate === null ? w.calls.unknown : !this.#gate ? w.calls.noGate : w.calls.none);
    $("calls-none").hidden = lanes.length > 0;
    $("calls-some").hidden = lanes.length === 0;
    const { held, absorbed } = this.#traffic;
    text("calls-now", this.#gate ? say(w.calls.now, { held: number(held), absorbed: number(absorbed) }) : "");
    $("lanes").replaceChildren(...lanes.map((lane) => this.#lane(lane, since, width)));
    if (this.#shown === this.#last) return;
    this.#shown = this.#last;
    $("calls-rows").replaceChildren(...(this.#gate ? this.#list.slice(-rows).reverse() : []).map(row));
  }

  #lane(lane, since, width) {
    const li = document.createElement("li");
    const name = Object.assign(document.createElement("code"), { textContent: lane.name });
    const words = Object.assign(document.createElement("small"), { textContent: said(lane) });
    const plot = document.createElementNS(svgNS, "svg");
    for (const [key, value] of Object.entries({ viewBox: `0 0 ${width} 24`, role: "img", class: "lane", "aria-label": say(w.calls.label, { method: lane.name, what: said(lane), time: duration(span) }) })) plot.setAttribute(key, value);
    const paths = {};
    const columns = {};
    for (const call of lane.calls) {
      const kind = kindOf(call);
      const x = Math.max(0, Math.round(((call.t - since) / span) * width));
      const w = Math.max(2, Math.round((call.durationMs / span) * width));
      if (columns[kind] === x && w === 2) continue; // it would be drawn over
      columns[kind] = x;
      paths[kind] = (paths[kind] ?? "") + shapes[kind](x, Math.min(w, width - x + 2));
    }
    plot.append(...Object.entries(paths).map(([kind, d]) => {
      const path = document.createElementNS(svgNS, "path");
      path.setAttribute("class", `call ${kind}`);
      path.setAttribute("d", d);
      return path;
    }));
    li.append(name, plot, words);
    return li;
  }
}

function row(call) {
  const tr = document.createElement("tr");
  for (const words of [time(new Date(call.t)), call.method, call.slot === undefined ? "—" : number(call.slot), took(call.durationMs), named(w.outcomes, call.outcome) + (call.error ? `: ${call.error}` : "")]) {
    tr.append(holding("td", words));
  }
  return tr;
}
