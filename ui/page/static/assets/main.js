// Puts the parts together: what is known, when it is drawn, and what is said
// while nothing new comes.
import { Calls } from "./calls.js";
import { Chart, charts } from "./charts.js";
import { Feed } from "./feed.js";
import { Strips, legend } from "./strip.js";
import { duration, signs, time } from "./text.js";
import * as view from "./view.js";
import { choose, fill, others, say, tables, w } from "./words.js";

const { $, put, show } = view;

const oldest = 30000; // ms; a snapshot older than this says nothing about now (as /readyz has it)
const mostSamples = 5000;
const gone = 2000; // ms; after that an age is told

const state = { snapshot: null, samples: [], history: [], skew: 0, link: "connecting", detail: "", got: null, all: false, filter: "all", range: 0, long: [] };
const drawn = charts.map((spec) => new Chart(spec, $("charts")));
const now = () => Date.now() + state.skew; // syncd's clock

const feed = new Feed({
  snapshot(snapshot, skew) {
    if (skew !== undefined) state.skew = skew;
    const last = state.snapshot;
    const isNew = !last || snapshot.seq !== last.seq || snapshot.at !== last.at;
    if (isNew) state.got = Date.now();
    state.snapshot = snapshot;
    if (!last || snapshot.seq < last.seq || snapshot.stage !== last.stage || snapshot.since !== last.since) reload();
    if (isNew) sample(snapshot);
    later();
  },
  link(link, detail) {
    if (state.link === "lost" && link !== "lost") reload(); // fills the gap
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

const strips = new Strips((...params) => feed.call(...params), $("strips"), $("strip-legend"));
const calls = new Calls((...params) => feed.call(...params), $);

function reload() {
  feed.load();
  strips.load();
}

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
  if (state.snapshot && age() > oldest) return w.lost.hangs;
  return "";
}

function title() {
  const s = state.snapshot;
  const word = lost() ? w.lost.title : $("verdict").lastElementChild.textContent;
  document.title = s ? `${word} · ${s.pair} · syncd` : "syncd";
  icon(lost() ? "lost" : document.documentElement.dataset.verdict);
}

// icon is the verdict's sign in its colour, on white: a tab has no theme of the page's.
const tones = { unknown: "#52606f", syncing: "#1a57a8", working: "#15693b", failing: "#b3201f", paused: "#5b4a9c", halted: "#b3201f", lost: "#52606f" };
let iconOf = "";
function icon(verdict) {
  if (verdict === iconOf || !(verdict in tones)) return;
  iconOf = verdict;
  const picture = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><rect width="24" height="24" rx="5" fill="#fff"/><path fill="${tones[verdict]}" d="${signs[verdict]}"/></svg>`;
  $("icon").href = `data:image/svg+xml,${encodeURIComponent(picture)}`;
}

function drawLink() {
  const why = lost();
  const root = document.documentElement;
  root.dataset.link = why ? "lost" : state.link;
  put($("link"), why ? w.link.lost : w.link[state.link]);
  put($("age"), !why && state.snapshot && age() > gone ? `, ${say(w.lost.old, { time: duration(age()) })}` : "");
  show($("lost"), why);
  if (!why) return;
  put($("lost-head"), state.snapshot ? say(w.lost.since, { at: time(new Date(state.snapshot.at)) }) : w.lost.none);
  put($("lost-why"), `${why}${state.link === "lost" ? ` ${w.lost.again}` : ""}`);
}

function draw() {
  const s = state.snapshot;
  drawLink();
  if (!s) return;
  const why = Boolean(lost());
  // What is no longer told stands still: nothing that is lost goes on counting.
  const at = why ? new Date(Date.parse(s.at)) : new Date(now());
  view.fields(s);
  view.hero(s, at, why);
  view.stage(s, state.history, at, why);
  view.findings(s, s.verdict !== "" && s.verdict !== "unknown");
  view.ages(s, at, why);
  drawCharts(at.getTime());
  calls.draw(at.getTime());
  document.documentElement.dataset.seq = s.seq;
  title();
}

const kept = 900; // s; for longer times the past is asked for in steps

function drawCharts(to) {
  const long = state.range > kept;
  const samples = long ? [...state.long, ...state.samples.filter((s) => s.t > (state.long.at(-1)?.t ?? Infinity)).slice(-1)] : state.samples;
  const first = state.samples[0]?.t ?? to - 60000;
  const from = state.range ? to - state.range * 1000 : Math.min(Math.max(first, to - kept * 1000), to - 30000);
  for (const chart of drawn) chart.draw(samples, from, to);
  const none = drawn.every((chart) => chart.element.hidden);
  show($("charts-none"), none);
  show($("charts-marks"), !none);
  view.table(state.samples);
}

// loadLong asks for the past of the chosen time.
let longTimer = 0;
async function loadLong() {
  clearTimeout(longTimer);
  const range = state.range;
  if (range <= kept) return;
  longTimer = setTimeout(loadLong, 15000);
  if (document.hidden) return;
  try {
    const { result } = await feed.call("syncd_progress", `-${range}s`);
    if (state.range !== range) return;
    state.long = (result.samples ?? []).map((s) => ({ ...s, t: Date.parse(s.at) })).filter((s) => !Number.isNaN(s.t));
    later();
  } catch { /* the page says elsewhere what is wrong */ }
}

function drawHistory() { view.history(state.history, state.all, state.filter, new Date(now())); }

// What is drawn as text depends on the time too.
setInterval(() => { if (document.hidden) title(); else later(); }, 1000);
document.addEventListener("visibilitychange", () => { later(); strips.load(); });
new ResizeObserver(later).observe($("charts"));

$("retry").addEventListener("click", () => feed.retryNow());
for (const button of document.querySelectorAll("[data-filter]")) {
  button.addEventListener("click", () => {
    state.filter = button.dataset.filter;
    for (const b of document.querySelectorAll("[data-filter]")) b.setAttribute("aria-pressed", b === button);
    drawHistory();
  });
}
$("more").addEventListener("click", () => { state.all = !state.all; drawHistory(); });
for (const button of document.querySelectorAll("[data-range]")) {
  button.addEventListener("click", () => {
    state.range = Number(button.dataset.range);
    for (const b of document.querySelectorAll("[data-range]")) b.setAttribute("aria-pressed", b === button);
    state.long = [];
    loadLong();
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
  put($("theme"), say(w.theme.label, { theme: w.theme[chosen] }));
}
$("theme").addEventListener("click", () => theme(true));

fill();
put($("link"), w.link.connecting);
put($("lead"), w.verdicts.unknown.lead);
put($("verdict").lastElementChild, w.verdicts.unknown.name);
put($("seconds"), w.time.s);
put($("language"), tables[others[0]].name);
$("language").lang = others[0];
$("language").addEventListener("click", () => choose(others[0]));
for (const [range, text] of [[300, `5 ${w.time.min}`], [0, `15 ${w.time.min}`], [3600, `1 ${w.time.h}`], [21600, `6 ${w.time.h}`], [86400, `24 ${w.time.h}`], [604800, `7 ${w.time.d}`]]) put(document.querySelector(`[data-range="${range}"]`), text);
legend($("strip-legend"));
theme(false);
view.diagram();
drawHistory();
feed.start();
calls.start();
