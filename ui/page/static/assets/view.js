// The snapshot as text in the page. What comes from nodes is only ever set as
// text or as an attribute's value.
import { ago, allStages, duration, kinds, none, number, plural, rate, severities, signs, stageName, stageOf, stages, time, verdicts } from "./text.js";
import { fill, language, manyOf, named, say, told, w } from "./words.js";

export const $ = (id) => document.getElementById(id);

// holding is a new element with a text.
export function holding(tag, text) {
  const el = document.createElement(tag);
  el.append(...whole(text));
  return el;
}

// put changes the page only where something is new: a screen reader announces
// every change in a live region.
export function put(el, text) {
  if (el.textContent !== text) el.replaceChildren(...whole(text));
}

// whole keeps each day in one line: a browser breaks one behind its hyphens.
function whole(text) {
  return text.split(/(\d{4}-\d\d-\d\d)/).map((part, i) => (i % 2 ? Object.assign(document.createElement("span"), { className: "day", textContent: part }) : part));
}

export const show = (el, shown) => { el.hidden = !shown; };

const at = (value, path) => path.split(".").reduce((v, key) => v?.[key], value);
const isKnown = (value) => value !== undefined && value !== null;

export function fields(snapshot) {
  for (const el of document.querySelectorAll("[data-path]")) {
    const value = at(snapshot, el.dataset.path);
    put(el, isKnown(value) ? (kinds[el.dataset.kind] ?? kinds.text)(value) : none);
    if (el.tagName === "TIME" && isKnown(value) && el.dataset.kind === "time") el.dateTime = el.title = String(value);
  }
  for (const el of document.querySelectorAll("[data-error]")) errorLine(el, at(snapshot, el.dataset.error));
  for (const el of document.querySelectorAll("[data-progress]")) progress(el, at(snapshot, el.dataset.progress));
  for (const el of document.querySelectorAll("[data-of]")) {
    const node = snapshot[el.dataset.of];
    el.dataset.up = node.reachable || (node.error ? false : "");
    if (el.dataset.up === "") put(el, w.view.notAsked);
  }
  for (const el of document.querySelectorAll("[data-when]")) show(el, isKnown(at(snapshot, el.dataset.when)));
  for (const el of document.querySelectorAll(".facts > div")) show(el, el.querySelector("#trouble") || isKnown(at(snapshot, el.querySelector("[data-path]").dataset.path)));
  for (const el of document.querySelectorAll("[data-known]")) put(el, lastKnown(at(snapshot, el.dataset.known)));
  show($("known"), snapshot.checkpoint || snapshot.confirmed || snapshot.network);
  const pushes = snapshot.push || snapshot.lock || snapshot.competingDriver || snapshot.lastError;
  $("push").dataset.empty = !pushes;
  show($("phase"), pushes && snapshot.push);
  put($("push-none"), pushes ? "" : w.view.noPush);
  show($("no-lock"), !snapshot.lock);
  put($("no-lock"), snapshot.gwat.reachable ? w.view.notHeld : w.charts.notKnown); // only gwat says it
  show($("held"), snapshot.lock);
  show($("no-competing-driver"), !snapshot.competingDriver);
  show($("competing-driver"), snapshot.competingDriver);
  show($("observe"), snapshot.observe);
  show($("waits"), snapshot.waiting);
  show($("entered"), snapshot.reason && snapshot.reason !== snapshot.waiting);
}

// lastKnown says what a node that does not answer had, and when it last answered.
function lastKnown(known) {
  if (!known) return "";
  const slot = say(known.slot === undefined ? w.view.lastAnswer : w.view.lastKnownSlot, { slot: number(known.slot ?? 0), at: time(new Date(known.at)) });
  return known.finalized === undefined ? slot : slot + say(w.view.lastFinalized, { n: number(known.finalized) });
}

function errorLine(el, error) {
  show(el, error);
  if (!error) return;
  if (!el.dataset.built) {
    if (el.dataset.name) el.append(Object.assign(document.createElement("b"), { textContent: w.charts[el.dataset.name] }));
    el.append(...["kind", "message", "at"].map((part) => Object.assign(document.createElement("span"), { className: part })));
    el.dataset.built = "yes";
  }
  put(el.querySelector(".kind"), named(w.errors, error.kind));
  put(el.querySelector(".message"), error.message);
  put(el.querySelector(".at"), time(new Date(error.at)));
}

// shareOf is how much of a progress is done. It begins where the count began; a target
// behind it is reached.
const shareOf = (p) => (p.current >= p.target ? 1 : Math.max(0, (p.current - p.from) / Math.max(1, p.target - p.from)));

function progress(el, value) {
  if (!el.firstChild) {
    const bar = document.createElement("div");
    bar.className = "bar";
    bar.setAttribute("role", "progressbar");
    bar.setAttribute("aria-label", say(w.view.progressOf, { what: w.view[el.dataset.progress.split(".")[0]] }));
    bar.append(Object.assign(document.createElement("div"), { className: "fill" }));
    el.append(bar, Object.assign(document.createElement("p"), { className: "count" }));
  }
  const [bar, line] = el.children;
  show(bar, value);
  if (!value) {
    bar.firstChild.style.width = "0";
    bar.removeAttribute("aria-valuenow");
    bar.setAttribute("aria-valuetext", w.view.noProgress);
    return put(line, w.view.noProgress);
  }
  const share = shareOf(value);
  bar.firstChild.style.width = `${(share * 100).toFixed(1)}%`;
  bar.setAttribute("aria-valuenow", Math.floor(share * 100));
  const words = [say(w.view.of, { n: number(value.current), target: value.target === 1 ? plural(1, value.unit) : `${number(value.target)} ${manyOf(value.unit)}` })];
  if (value.from > 0 && share < 1) words.push(say(w.view.from, { n: number(value.from) }));
  if (value.rate > 0) words.push(rate(value.rate, value.unit));
  if (value.eta) words.push(say(w.view.doneAt, { at: time(new Date(value.eta)) }));
  bar.setAttribute("aria-valuetext", words.join(", "));
  parts(line, words);
}

// parts puts texts side by side; one that fits into a line is not broken.
function parts(el, words) {
  if (el.textContent === words.join(" ")) return;
  el.replaceChildren(...words.flatMap((word, i) => [i ? " " : "", holding("span", word)]));
}

// hero gives the answer: how it is, since when, until when, and what is to be done.
export function hero(snapshot, now, lost) {
  const verdict = lost ? "lost" : snapshot.verdict in verdicts ? snapshot.verdict : "unknown";
  document.documentElement.dataset.verdict = verdict;
  $("sign").setAttribute("d", signs[verdict]);
  put($("verdict-lead"), lost ? w.hero.lostLead : "");
  const names = new Set((snapshot.findings ?? []).map((f) => f.name));
  const wrong = (snapshot.findings ?? []).filter((f) => f.severity !== "info" && !names.has(explains(f)));
  const lead = lost ? w.hero.lost : wrong.length && verdict !== "working" ? `${verdicts[verdict].lead} ${wordsOf(wrong[0], "summary")}` : verdicts[verdict].lead;
  put($("lead"), lead);
  const when = lost ? "" : since(snapshot, verdict, now);
  put($("when"), when);
  show($("when"), when);
  put($("trouble"), trouble(snapshot.past?.lastTrouble));
  const todo = lost ? "" : wrong.length > 1 ? say(w.hero.see, { findings: plural(wrong.length, "finding") }) : wrong.length ? w.hero.seeOne : verdicts[verdict].todo;
  put($("remedy"), todo);
  show($("todo"), todo);
  overall(snapshot, now, verdict);
}

// since says for how long the verdict stands, or until when the pair worked.
function since(snapshot, verdict, now) {
  const past = snapshot.past;
  if (!past || verdict === "unknown") return "";
  if (verdict === "working" && past.workingSince) return say(w.hero.working, { time: duration(now - new Date(past.workingSince)) });
  const begun = say(w.hero.since, { at: time(new Date(past.verdictSince)) });
  if (verdict === "syncing" && !past.workedUntil) return begun;
  const worked = past.workedUntil ? say(w.hero.until, { at: time(new Date(past.workedUntil)), time: duration(now - new Date(past.workedUntil)) }) : w.hero.never;
  return `${begun} ${worked}`;
}

function trouble(t) {
  if (!t) return w.hero.none;
  const why = told(t.finding, "summary") || t.summary || t.finding;
  const name = (verdicts[t.verdict]?.name ?? String(t.verdict)) + (why ? ` (${why.replace(/\.$/, "")})` : "");
  const from = time(new Date(t.from));
  return t.until ? say(w.hero.trouble, { verdict: name, time: duration(new Date(t.until) - new Date(t.from)), at: from }) : say(w.hero.lasting, { verdict: name, at: from });
}

// within is how much of its stage a pair has done, as far as that can be told.
function within(snapshot) {
  const shares = { checkpoint_sync: [snapshot.gwat.progress, snapshot.beacon.progress], dag_sync: [snapshot.gwat.progress, snapshot.beacon.progress], head_sync: [snapshot.push?.progress] }[snapshot.stage];
  const told = (shares ?? []).filter(Boolean).map(shareOf);
  return told.length ? Math.min(...told) : undefined;
}

// overall is one bar for the whole way: each stage is a step of the same width.
function overall(snapshot, now, verdict) {
  const step = stages.findIndex((s) => s.id === snapshot.stage);
  show($("overall"), verdict === "syncing" && step >= 0 && step < stages.length - 1);
  if ($("overall").hidden) return;
  const all = stages.length - 1; // the last one is the end of the way
  const share = within(snapshot);
  const done = Math.floor(((step + Math.min(share ?? 0, 0.99)) / all) * 100);
  const [bar, line] = $("overall").children;
  bar.firstChild.style.width = `${done}%`;
  bar.setAttribute("aria-label", w.hero.overall);
  bar.setAttribute("aria-valuenow", done);
  const words = [say(w.hero.step, { n: step + 1, all, stage: stages[step].name })];
  if (share !== undefined) words.push(say(w.hero.share, { share: Math.floor(share * 100) }));
  const left = new Date(snapshot.eta ?? NaN) - now;
  words.push(Number.isNaN(left) ? w.hero.noEstimate : say(left > 0 ? w.hero.soon : w.hero.expected, { time: duration(left), at: time(new Date(snapshot.eta)) }));
  bar.setAttribute("aria-valuetext", words.join(", "));
  parts(line, words);
}

export function diagram() {
  const item = (stage) => {
    const li = document.createElement("li");
    li.dataset.stage = stage.id;
    for (const [name, text] of [["mark", stage.mark], ["name", stage.name], ["state", ""]]) {
      li.append(Object.assign(document.createElement("span"), { className: name, textContent: text }));
    }
    return li;
  };
  $("stages").replaceChildren(...allStages.slice(0, stages.length).map(item));
  $("beside").replaceChildren(...allStages.slice(stages.length).map(item));
}

// stage marks where the pair is. Beside the way, the newest stage on the way
// tells how far it had come.
export function stage(snapshot, history, now, lost) {
  const current = stageOf(snapshot.stage);
  const onWay = (id) => stages.findIndex((s) => s.id === id);
  let index = onWay(snapshot.stage);
  const off = index < 0;
  if (off) index = onWay(history.find((c) => onWay(c.from) >= 0)?.from);
  for (const li of document.querySelectorAll("#stages > li, #beside > li")) {
    const id = li.dataset.stage;
    const place = onWay(id);
    const here = id === snapshot.stage;
    const state = here ? "current" : place >= 0 && place < index ? "done" : "open";
    li.dataset.state = state;
    if (here) li.setAttribute("aria-current", "step");
    else li.removeAttribute("aria-current");
    let text = "";
    if (here) text = `${lost ? w.view.lastKnown : w.view.now}, ${duration(now - new Date(snapshot.since))}`;
    else if (state === "done") text = `${w.view.done}${lasted(history, id)}`;
    else if (place >= 0) text = off && place === index ? w.view.wasHere : w.view.toCome;
    put(li.querySelector(".state"), text.replace(/(\d) /g, "$1\u00a0")); // a number stays with its unit
    put(li.querySelector(".mark"), state === "done" ? "✓" : stageOf(id).mark);
  }
  put($("stage-lead"), lost ? w.view.lastKnown : w.view.now);
  put($("stage-hint"), current?.hint ?? "");
}

// lasted is how long the pair was in a stage the last time.
function lasted(history, id) {
  const left = history.findIndex((c) => c.from === id);
  const entered = history.slice(left + 1).find((c) => c.to === id);
  if (left < 0 || !entered) return "";
  const ms = new Date(history[left].at) - new Date(entered.at);
  return `, ${ms < 1000 ? w.view.underSecond : say(w.view.tookStage, { time: duration(ms) })}`;
}

// explains is the name of the finding that a finding follows from; "" if it stands for itself.
const explains = (f) => f.explainedBy ?? "";

// wordsOf is the summary or the remedy of a finding, as syncd says it in a language that lacks it.
const wordsOf = (f, part) => told(f.name, part) ?? f[part];

// asText is a finding for a ticket or a chat.
function asText(f, snapshot) {
  const lines = [`${String(f.severity).toUpperCase()} ${f.name} (${f.node}) since ${f.since}`, wordsOf(f, "summary"), `${w.page.todo}: ${wordsOf(f, "remedy")}`, ...(f.evidenceAt ? [`evidence of ${f.evidenceAt}:`] : []), ...(f.evidence ?? []).map((e) => `- ${e}`)];
  return [...lines, `syncd ${snapshot.version}, ${snapshot.pair}${snapshot.network ? `, ${snapshot.network.name}` : ""}, ${snapshot.at}`].join("\n");
}

async function copy(button, text) {
  let done = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch { // no clipboard where the page is not served over TLS
    const area = Object.assign(document.createElement("textarea"), { value: text, className: "visually" });
    document.body.append(area);
    area.select();
    done = document.execCommand("copy");
    area.remove();
    button.focus();
  }
  button.textContent = done ? w.view.copied : w.view.notCopied;
  setTimeout(() => { button.textContent = w.page.copy; }, 2000);
}

// findings shows what is wrong, and under the stage what is only worth knowing.
export function findings(snapshot, observed) {
  const list = snapshot.findings ?? [];
  const [wrong, notes] = [list.filter((f) => f.severity !== "info"), list.filter((f) => f.severity === "info")];
  show($("findings"), wrong.length);
  put($("findings-count"), wrong.length ? plural(wrong.length, "finding") : observed ? w.view.noFindings : w.view.notObserved);
  fillCauses($("findings"), wrong, list, snapshot);
  fillCauses($("notes"), notes, list, snapshot);
}

// fillCauses shows the findings of a part that no finding in the list explains, each
// with those that it explains folded under it.
function fillCauses(root, part, list, snapshot) {
  const names = new Set(list.map((f) => f.name));
  const causes = part.filter((f) => !names.has(explains(f))); // a cause that has gone folds nothing
  fillList(root, causes, snapshot);
  causes.forEach((f, i) => follows(root.children[i], list.filter((other) => explains(other) === f.name), snapshot));
}

// follows folds under a finding what it explains.
function follows(li, list, snapshot) {
  let details = li.querySelector(":scope > details");
  if (!list.length) return details?.remove();
  if (!details) {
    details = document.createElement("details");
    details.append(document.createElement("summary"), Object.assign(document.createElement("ul"), { className: "plain" }));
    li.append(details);
  }
  put(details.firstChild, `${w.view.explained}: ${plural(list.length, "finding")}`);
  fillList(details.lastChild, list, snapshot);
}

function fillList(root, list, snapshot) {
  while (root.children.length > list.length) root.lastElementChild.remove();
  while (root.children.length < list.length) {
    root.append($("t-finding").content.cloneNode(true));
    fill(root.lastElementChild);
  }
  list.forEach((f, i) => finding(root.children[i], f, snapshot));
}

function finding(li, f, snapshot) {
  const severity = severities[f.severity] ?? severities.info;
  li.dataset.severity = f.severity in severities ? f.severity : "info";
  li.querySelector("path").setAttribute("d", severity.sign);
  put(li.querySelector(".sev b"), f.severity in severities ? severity.name : String(f.severity));
  for (const [selector, part] of [["h3", "summary"], [".remedy span", "remedy"]]) {
    const el = li.querySelector(selector);
    prose(el, wordsOf(f, part));
    el.lang = told(f.name, part) ? language : "en";
  }
  put(li.querySelector(".fhead > code"), f.name);
  put(li.querySelector(".since"), say(w.view.sinceNode, { node: named({ gwat: w.charts.gwat, beacon: w.charts.beacon, pair: w.view.pair, syncd: w.view.syncd }, f.node), at: time(new Date(f.since)) }));
  li.querySelector(".copy").onclick = (e) => copy(e.currentTarget, asText(f, snapshot));
  const evidence = li.querySelector(".evidence");
  const wanted = f.evidence ?? [];
  show(li.querySelector(".evlead"), wanted.length);
  put(li.querySelector(".evlead"), seen(f));
  while (evidence.children.length > wanted.length) evidence.lastElementChild.remove();
  while (evidence.children.length < wanted.length) evidence.append(document.createElement("li"));
  wanted.forEach((text, j) => put(evidence.children[j], text));
}

// seen leads in the evidence, with its time if the newest poll does not show it.
const seen = (f) => (f.evidenceAt ? say(w.view.lastSeen, { at: time(new Date(f.evidenceAt)) }) : w.page.evidence);

// prose puts a text in whose commands stand between backticks.
function prose(el, text) {
  if (el.dataset.text === text) return;
  el.dataset.text = text;
  el.replaceChildren(...text.split("`").map((part, i) => (i % 2 ? Object.assign(document.createElement("code"), { textContent: part }) : part)));
}

const fewChanges = 8;

// span is a duration that is never nothing.
const span = (ms) => (ms < 1000 ? w.view.underSecond : duration(ms));

// interrupts: the change ended work, or work on the way to it.
const interrupts = (c) => c.from === "working" || c.to === "paused" || c.to === "halted" || c.from === "paused" || c.from === "halted";

// history shows the newest changes first, each with how long what it began lasted.
export function history(changes, all, filter, now) {
  const list = changes.map((c, i) => ({ c, next: changes[i - 1] })).filter(({ c }) => filter === "all" || interrupts(c));
  show($("history-none"), !list.length);
  put($("history-none"), changes.length ? w.view.noneOfThese : w.view.noHistory);
  show($("filters"), changes.length);
  put($("history-count"), list.length ? plural(list.length, "change") : "");
  show($("more"), list.length > fewChanges);
  $("more").setAttribute("aria-expanded", all);
  put($("more"), all ? w.view.fewer : say(w.view.showAll, { n: number(list.length) }));
  $("history").replaceChildren(...(all ? list : list.slice(0, fewChanges)).map(({ c, next }) => {
    const li = $("t-change").content.cloneNode(true).firstElementChild;
    const when = li.querySelector("time");
    when.dateTime = when.title = String(c.at);
    put(when, time(new Date(c.at)));
    li.dataset.to = stageOf(c.to) ? c.to : "";
    li.querySelector("b").textContent = c.from ? `${stageName(c.from)} → ${stageName(c.to)}` : stageName(c.to);
    li.querySelector(".lasted").textContent = say(next ? w.view.lasted : w.view.lasts, { time: span((next ? new Date(next.at) : now) - new Date(c.at)) });
    put(li.querySelector(".why"), c.reason ?? "");
    return li;
  }));
}

// ages tells how far the times of a snapshot are from now.
export function ages(snapshot, now, lost) {
  for (const el of document.querySelectorAll("[data-age]")) {
    const ms = now - new Date(at(snapshot, el.dataset.age) ?? NaN);
    const text = ms < 0 ? say(w.time.in, { time: duration(-ms) }) : ["eta", "nextTry"].includes(el.dataset.age) ? "" : el.dataset.age.endsWith("ince") ? duration(ms) : ago(ms);
    put(el, Number.isNaN(ms) || lost ? "" : text);
  }
}

const tableRows = 12;

export function table(samples) {
  const cell = (v) => (v === undefined ? none : number(v));
  $("samples").replaceChildren(...samples.slice(-tableRows).reverse().map((s) => {
    const row = document.createElement("tr");
    for (const text of [time(new Date(s.t)), stageName(s.stage), cell(s.wallSlot), cell(s.gwatSlot), cell(s.beaconSlot), cell(s.gwatNumber)]) {
      row.append(holding("td", text));
    }
    return row;
  }));
}
