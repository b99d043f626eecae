// Words and formats: what the page says, as plain text.
import { form, manyOf, named, say, w } from "./words.js";

export const none = "—";

const way = ["connecting", "checkpoint_sync", "dag_sync", "head_sync_ready", "head_sync", "switching", "working"];
export const stages = way.map((id) => ({ id, ...w.stages[id] }));
export const beside = [{ id: "paused", mark: "P", ...w.stages.paused }, { id: "halted", mark: "H", ...w.stages.halted }];

export const allStages = [...stages.map((s, i) => ({ ...s, mark: String(i + 1) })), ...beside];

export const stageOf = (id) => allStages.find((s) => s.id === id);
export const stageName = (id) => stageOf(id)?.name ?? String(id);

// table has no names but its own: what is looked up in it comes from outside.
const table = (entries) => Object.assign(Object.create(null), entries);

export const verdicts = table(w.verdicts);

// Shapes beside the colours, in a box of 24.
export const signs = {
  unknown: "M12 2a10 10 0 1 0 0 20 10 10 0 0 0 0-20zm-1 16v-2h2v2zm2-3.5h-2c0-3.5 3-3.3 3-5.5a2 2 0 0 0-4 0H8a4 4 0 0 1 8 0c0 2.9-3 3.1-3 5.5z",
  syncing: "M12 2a10 10 0 1 0 0 20 10 10 0 0 0 0-20zm1 5 5 5-5 5v-3.8H6v-2.4h7z",
  working: "M12 2a10 10 0 1 0 0 20 10 10 0 0 0 0-20zm-1.6 14.6-4-4L8 11l2.4 2.4L16 7.8l1.6 1.6z",
  failing: "M12 2 1 21.5h22zm1.2 16.5h-2.4v-2.3h2.4zm0-4h-2.4v-5h2.4z",
  paused: "M12 2a10 10 0 1 0 0 20 10 10 0 0 0 0-20zM8 7h3v10H8zm5 0h3v10h-3z",
  halted: "M7.9 2 2 7.9v8.2L7.9 22h8.2l5.9-5.9V7.9L16.1 2zM6.5 10.7h11v2.6h-11z",
  lost: "M2 2h20v20H2zm4.5 6.1 3.9 3.9-3.9 3.9 1.6 1.6 3.9-3.9 3.9 3.9 1.6-1.6-3.9-3.9 3.9-3.9-1.6-1.6-3.9 3.9-3.9-3.9z",
};

export const severities = table({
  critical: { name: w.severities.critical, sign: signs.halted },
  warning: { name: w.severities.warning, sign: signs.failing },
  info: { name: w.severities.info, sign: "M12 2a10 10 0 1 0 0 20 10 10 0 0 0 0-20zm1.2 15.5h-2.4v-7h2.4zm0-8.5h-2.4V6.6h2.4z" },
});

const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export const number = (n) => grouped.format(n).replaceAll(",", "\u202f");
export const float = (n) => (n < 10 ? n.toFixed(1) : number(Math.round(n)));
export const plural = (n, unit) => `${number(n)} ${form(n, unit)}`;
export const rate = (n, unit) => `${float(n)} ${manyOf(unit)}${w.time.perSecond}`;

const two = (n) => String(n).padStart(2, "0");
export const clock = (t) => `${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}`;
export const day = (t) => `${t.getFullYear()}-${two(t.getMonth() + 1)}-${two(t.getDate())}`;

// zone is how far the local clock is from UTC at a time.
export function zone(t) {
  const minutes = -t.getTimezoneOffset();
  if (!minutes) return "UTC";
  const size = Math.abs(minutes);
  return `UTC${minutes < 0 ? "−" : "+"}${Math.floor(size / 60)}${size % 60 ? `:${two(size % 60)}` : ""}`;
}

// time is the local time with its day and zone.
export const time = (t) => (Number.isNaN(t.getTime()) ? none : `${day(t)} ${clock(t)} ${zone(t)}`);

// duration has two units at most.
export function duration(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  const { s: sec, min, h, d } = w.time;
  const [whole, unit, rest, small] = s < 3600 ? [Math.floor(s / 60), min, s % 60, sec] : s < 86400 ? [Math.floor(s / 3600), h, Math.floor((s % 3600) / 60), min] : [Math.floor(s / 86400), d, Math.floor((s % 86400) / 3600), h];
  return s < 60 ? `${s} ${sec}` : `${whole} ${unit} ${rest} ${small}`;
}

export const ago = (ms) => say(w.time.ago, { time: duration(ms) });

// kinds turn a value of the snapshot into the text that stands for it.
export const kinds = {
  text: (v) => (v === "" ? none : String(v)),
  number,
  float,
  slots: (v) => plural(v, "slot"),
  time: (v) => time(new Date(v)),
  unix: (v) => time(new Date(v * 1000)),
  verdict: (v) => verdicts[v]?.name ?? (v || verdicts.unknown.name),
  stage: (v) => (v ? stageName(v) : none),
  phase: (v) => (v ? named(w.phases, v) : none),
  era: (v) => (v ? named(w.eras, v) : none),
  sync: (v) => (v ? named(w.syncs, v) : none),
  reachable: (v) => (v ? w.view.reachable : w.view.unreachable),
  ours: (v) => (v ? w.view.ours : w.view.theirs),
};
