// Puts the parts together: what is known, when it is drawn, and what is said
// while nothing new comes.
import { Calls } from "./calls.js";
import { Chart, charts } from "./charts.js";
import { Feed } from "./feed.js";
import { clock, duration } from "./text.js";
import * as view from "./view.js";

const { $, put, show } = view;

const oldest = 30000; // ms; a snapshot older than this says nothing about now (as /readyz has it)
const mostSamples = 5000;
const gone = 2000; // ms; after that an age is told

const state = { snapshot: null, samples: [], history: [], skew: 0, link: "connecting", detail: "", got: null, all: false, range: 0 };
const drawn = charts.map((spec) => new Chart(spec, $("charts")));
const now = () => Date.now() + state.skew; // syncd's clock

const feed = new Feed({
  snapshot(snapshot, skew) {
    if (skew !== undefined) state.skew = skew;
    const last = state.snapshot;
    const isNew = !last || snapshot.seq !== last.seq || snapshot.at !== last.at;
    if (isNew) state.got = Date.now();
    state.snapshot = snapshot;
    if (!last || snapshot.seq < last.seq || snapshot.stage !== last.stage || snapshot.since !== last.since) feed.load();
    if (isNew) sample(snapshot);
    later();
  },
  link(link, detail) {
    if (state.link === "lost" && link !== "lost") feed.load(); // fills the gap
    Object.assign(state, { link, detail: detail ?? "" });
    later();
  },
  known({ history, samples }) {
    if (history) state.history = history;
    if (samples) {
      const seen = samples.map((s) => ({ ...s, t: Date.parse(s.at) })).filter((s) => !Number.isNaN(s.t)).sort((a, b) => a.t - b.t);
      const end = seen.at(-1)?.t ?? -Infinity;
      const begin = seen[0]?.t ?? Infinity;
      state.samples = [...state.samples.filter((s) => s.t < begin), ...seen, ...state.samples.filter((s) => s.t > end)].slice(-mostSamples);
    }
    drawHistory();
    later();
  },
});

const calls = new Calls((...params) => feed.call(...params), $);

// sample is what syncd_progress would say of this snapshot.
function sample(s) {
  const t = Date.parse(s.at);
  if (Number.isNaN(t) || t <= (state.samples.at(-1)?.t ?? -Infinity)) return;
  state.samples.push({
    t, stage: s.stage, wallSlot: s.network?.currentSlot, gwatSlot: s.gwat.slot, beaconSlot: s.beacon.slot,
    gwatNumber: s.gwat.finalized, pushDone: s.push?.progress.current, pushTotal: s.push?.progress.target,
  });
  if (state.samples.length > mostSamples) state.samples.shift();
}

let asked = false;

// later draws once a frame at most; a hidden page only keeps its title right.
function later() {
  title();
  if (asked || document.hidden) return;
  asked = true;
  requestAnimationFrame(() => { asked = false; draw(); });
}

// age is how old the newest snapshot is, by syncd's clock and by when it came:
// the greater one, so that a clock that was set back hides nothing.
function age() {
  return state.snapshot ? Math.max(0, now() - Date.parse(state.snapshot.at), Date.now() - state.got) : Infinity;
}

// lost tells why what is known says nothing about now; "" if it does.
function lost() {
  if (state.link === "lost") return state.detail;
  if (state.snapshot && age() > oldest) return "Something answers here, but syncd has not looked at the pair since: its loop hangs; see its log.";
  return "";
}

const linkWords = { connecting: "connecting", live: "live", polling: "live by polling", silent: "syncd answers, but has nothing to tell", lost: "no connection" };

function title() {
  const s = state.snapshot;
  const word = lost() ? "No data" : $("verdict").lastElementChild.textContent;
  document.title = s ? `${word} · ${s.pair} · syncd` : "syncd";
}

function drawLink() {
  const why = lost();
  const root = document.documentElement;
  root.dataset.link = why ? "lost" : state.link;
  put($("link"), why ? linkWords.lost : linkWords[state.link]);
  put($("age"), !why && state.snapshot && age() > gone ? `, ${duration(age())} old` : "");
  show($("lost"), why);
  if (!why) return;
  put($("lost-head"), state.snapshot ? `No data since ${clock(new Date(state.snapshot.at))}.` : "No data yet.");
  put($("lost-why"), `${why}${state.link === "lost" ? " It is asked again every few seconds." : ""}`);
}

function draw() {
  const s = state.snapshot;
  drawLink();
  if (!s) return;
  const why = Boolean(lost());
  // What is no longer told stands still: nothing that is lost goes on counting.
  const at = why ? new Date(Date.parse(s.at)) : new Date(now());
  view.fields(s, at);
  view.hero(s, why);
  view.stage(s, state.history, at, why);
  view.findings(s.findings ?? [], s.verdict !== "" && s.verdict !== "unknown", at);
  ages(s, at, why);
  drawCharts(at.getTime());
  calls.draw(at.getTime());
  document.documentElement.dataset.seq = s.seq;
  title();
}

function ages(s, at, why) {
  for (const el of document.querySelectorAll("[data-age]")) {
    const value = el.dataset.age.split(".").reduce((v, key) => v?.[key], s);
    const ms = at - new Date(value ?? NaN);
    put(el, Number.isNaN(ms) || why ? "" : ms >= 0 ? `${duration(ms)}${el.dataset.age.endsWith("ince") ? "" : " ago"}` : `in ${duration(-ms)}`);
  }
}

function drawCharts(to) {
  const first = state.samples[0]?.t ?? to - 60000;
  const from = state.range ? to - state.range * 1000 : Math.min(first, to - 30000);
  for (const chart of drawn) chart.draw(state.samples, from, to);
  view.table(state.samples, new Date(to));
}

function drawHistory() { view.history(state.history, state.all, new Date(now())); }

// What is drawn as text depends on the time too.
setInterval(() => { if (document.hidden) title(); else later(); }, 1000);
document.addEventListener("visibilitychange", later);
new ResizeObserver(later).observe($("charts"));

$("retry").addEventListener("click", () => feed.retryNow());
$("more").addEventListener("click", () => { state.all = !state.all; drawHistory(); });
for (const button of document.querySelectorAll("[data-range]")) {
  button.addEventListener("click", () => {
    state.range = Number(button.dataset.range);
    for (const b of document.querySelectorAll("[data-range]")) b.setAttribute("aria-pressed", b === button);
    later();
  });
}

const themes = ["system", "light", "dark"];
function theme(next) {
  const root = document.documentElement;
  const current = root.dataset.theme ?? "system";
  const chosen = next ? themes[(themes.indexOf(current) + 1) % themes.length] : current;
  if (chosen === "system") delete root.dataset.theme;
  else root.dataset.theme = chosen;
  try {
    if (next) localStorage.setItem("syncd-theme", chosen);
  } catch { /* it holds for this visit then */ }
  put($("theme"), `Theme: ${chosen}`);
}
$("theme").addEventListener("click", () => theme(true));

theme(false);
view.diagram();
drawHistory();
feed.start();
calls.start();
