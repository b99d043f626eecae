// Words and formats: what the page says, as plain text.

export const none = "—";

export const stages = [
  { id: "connecting", name: "Connecting", hint: "Both nodes are asked until they answer and are seen to belong to one network." },
  { id: "checkpoint_sync", name: "Checkpoint sync", hint: "Each node syncs by itself, from its own peers, up to the last checkpoint." },
  { id: "dag_sync", name: "DAG sync", hint: "Each node loads what follows the last checkpoint." },
  { id: "head_sync_ready", name: "Head sync ready", hint: "gwat is asked, about once a second, whether it is ready to be handed the finalized chain." },
  { id: "head_sync", name: "Head sync", hint: "gwat is handed, slot by slot, what the beacon chain finalized; each part is read back." },
  { id: "switching", name: "Switching", hint: "All was handed over. Both nodes are watched until their normal work is seen." },
  { id: "working", name: "Working", hint: "Both nodes were seen to do their normal work. They are watched on." },
];

export const beside = [
  { id: "paused", name: "Paused", mark: "P", hint: "An operator asked syncd to keep its hands off both nodes. It goes on when it is resumed (syncd resume)." },
  { id: "halted", name: "Halted", mark: "H", hint: "The two nodes cannot be a pair as they are: a human is needed. syncd goes on as soon as the cause is seen gone." },
];

export const allStages = [...stages.map((s, i) => ({ ...s, mark: String(i + 1) })), ...beside];

export const stageOf = (id) => allStages.find((s) => s.id === id);
export const stageName = (id) => stageOf(id)?.name ?? String(id);

// table has no names but its own: what is looked up in it comes from outside.
const table = (entries) => Object.assign(Object.create(null), entries);

export const verdicts = table({
  unknown: { name: "Unknown", lead: "Nothing was observed yet.", todo: "" },
  syncing: { name: "Syncing", lead: "The pair is on its way to normal work.", todo: "Nothing: syncd goes on by itself." },
  working: { name: "Working", lead: "Both nodes do their normal work.", todo: "" },
  failing: { name: "Failing", lead: "The pair does not do its work.", todo: "See the findings below." },
  paused: { name: "Paused", lead: "syncd keeps its hands off both nodes.", todo: "Resume it (syncd resume) when it is to go on." },
  halted: { name: "Halted", lead: "A human is needed.", todo: "Remove the cause named here; syncd goes on as soon as it is gone." },
});

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
  critical: { name: "Critical", sign: signs.halted },
  warning: { name: "Warning", sign: signs.failing },
  info: { name: "Info", sign: "M12 2a10 10 0 1 0 0 20 10 10 0 0 0 0-20zm1.2 15.5h-2.4v-7h2.4zm0-8.5h-2.4V6.6h2.4z" },
});

const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export const number = (n) => grouped.format(n).replaceAll(",", "\u202f");
export const float = (n) => (n < 10 ? n.toFixed(1) : number(Math.round(n)));
const many = (word) => (word.endsWith("y") ? `${word.slice(0, -1)}ies` : `${word}s`);
export const plural = (n, word) => `${number(n)} ${n === 1 ? word : many(word)}`;
export const rate = (n, word) => `${float(n)} ${many(word)}/s`;

const two = (n) => String(n).padStart(2, "0");
export const clock = (t) => `${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}`;
const day = (t) => `${t.getFullYear()}-${two(t.getMonth() + 1)}-${two(t.getDate())}`;

// time is the local clock, with the day unless it is today's.
export function time(t, now) {
  if (Number.isNaN(t.getTime())) return none;
  return day(t) === day(now) ? clock(t) : `${day(t)} ${clock(t)}`;
}

// duration has two units at most.
export function duration(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

// kinds turn a value of the snapshot into the text that stands for it.
export const kinds = {
  text: (v) => (v === "" ? none : String(v)),
  number,
  float,
  time: (v, now) => time(new Date(v), now),
  unix: (v, now) => time(new Date(v * 1000), now),
  verdict: (v) => verdicts[v]?.name ?? (v || verdicts.unknown.name),
  stage: (v) => (v ? stageName(v) : none),
  phase: (v) => v || none,
  reachable: (v) => (v ? "✓ reachable" : "✗ not reachable"),
  ours: (v) => (v ? "ours" : "another driver's"),
};
