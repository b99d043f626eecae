// The snapshot as text in the page. What comes from nodes is only ever set as
// text or as an attribute's value.
import { allStages, duration, kinds, none, number, plural, rate, severities, signs, stageName, stageOf, stages, time, verdicts } from "./text.js";

export const $ = (id) => document.getElementById(id);

// put changes the page only where something is new: a screen reader is told of
// every change in a live region.
export function put(el, text) {
  if (el.textContent !== text) el.textContent = text;
}

export const show = (el, shown) => { el.hidden = !shown; };

const at = (value, path) => path.split(".").reduce((v, key) => v?.[key], value);

export function fields(snapshot, now) {
  for (const el of document.querySelectorAll("[data-path]")) {
    const value = at(snapshot, el.dataset.path);
    const known = value !== undefined && value !== null;
    put(el, known ? (kinds[el.dataset.kind] ?? kinds.text)(value, now) : none);
    if (el.tagName === "TIME" && known && el.dataset.kind === "time") el.dateTime = el.title = String(value);
  }
  for (const el of document.querySelectorAll("[data-error]")) errorLine(el, at(snapshot, el.dataset.error), now);
  for (const el of document.querySelectorAll("[data-progress]")) progress(el, at(snapshot, el.dataset.progress), now);
  for (const node of ["gwat", "beacon"]) {
    $(node).dataset.up = snapshot[node].reachable;
    put($(`${node}-since`), snapshot[node].reachable ? "Reachable since" : "Not reachable since");
  }
  show($("no-lock"), !snapshot.lock);
  show($("held"), snapshot.lock);
  show($("no-rival"), !snapshot.rival);
  show($("rival"), snapshot.rival);
  show($("observe"), snapshot.observe);
  show($("waits"), snapshot.waiting);
  show($("entered"), snapshot.reason);
}

function errorLine(el, error, now) {
  show(el, error);
  if (!error) return;
  if (!el.dataset.built) {
    el.append(...["kind", "message", "at"].map((part) => Object.assign(document.createElement("span"), { className: part })));
    el.dataset.built = "yes";
  }
  put(el.querySelector(".kind"), error.kind);
  put(el.querySelector(".message"), error.message);
  put(el.querySelector(".at"), time(new Date(error.at), now));
}

function progress(el, value, now) {
  if (!el.firstChild) {
    const bar = document.createElement("div");
    bar.className = "bar";
    bar.setAttribute("role", "progressbar");
    bar.setAttribute("aria-label", `Progress of ${{ gwat: "gwat", beacon: "the beacon node", push: "the push" }[el.dataset.progress.split(".")[0]]}`);
    bar.append(Object.assign(document.createElement("div"), { className: "fill" }));
    el.append(bar, Object.assign(document.createElement("p"), { className: "count" }));
  }
  const [bar, line] = el.children;
  if (!value) {
    bar.firstChild.style.width = "0";
    bar.removeAttribute("aria-valuenow");
    bar.setAttribute("aria-valuetext", "not known");
    return put(line, "no progress known");
  }
  // The bar begins where the count began; a target behind it is reached.
  const way = value.target - value.from;
  const share = value.current >= value.target ? 1 : Math.max(0, (value.current - value.from) / Math.max(1, way));
  bar.firstChild.style.width = `${(share * 100).toFixed(1)}%`;
  bar.setAttribute("aria-valuenow", Math.floor(share * 100));
  const words = [`${number(value.current)} of ${plural(value.target, value.unit)}`];
  if (value.from > 0 && share < 1) words.push(`from ${number(value.from)}`);
  if (value.rate > 0) words.push(rate(value.rate, value.unit));
  if (value.eta) words.push(`done at ${time(new Date(value.eta), now)}`);
  bar.setAttribute("aria-valuetext", words.join(", "));
  put(line, words.join(" · "));
}

// hero gives the answer: how it is, and what is to be done.
export function hero(snapshot, lost) {
  const verdict = lost ? "lost" : snapshot.verdict in verdicts ? snapshot.verdict : "unknown";
  const words = verdicts[verdict];
  document.documentElement.dataset.verdict = verdict;
  $("sign").setAttribute("d", signs[verdict]);
  put($("verdict-lead"), lost ? "No data; last known: " : "");
  const found = causes(snapshot.findings ?? []);
  const worst = found.find((f) => f.severity !== "info"); // the worst come first
  const others = found.length - 1;
  let lead = lost ? "How the pair is now cannot be told." : words.lead;
  if (!lost && worst) lead = `${lead} ${worst.summary}`;
  put($("lead"), lead);
  const todo = lost ? "" : worst ? `${worst.remedy}${others > 0 ? ` (${plural(others, "more finding")} below)` : ""}` : words.todo;
  put($("remedy"), todo);
  show($("todo"), todo);
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
    const state = here ? "current" : place >= 0 && !off && place < index ? "done" : "open";
    li.dataset.state = state;
    if (here) li.setAttribute("aria-current", "step");
    else li.removeAttribute("aria-current");
    let text = "";
    if (here) text = `${lost ? "last known" : "now"}, ${duration(now - new Date(snapshot.since))}`;
    else if (state === "done") text = `done${lasted(history, id)}`;
    else if (place >= 0) text = off && place === index ? "was here" : "to come";
    put(li.querySelector(".state"), text);
    put(li.querySelector(".mark"), state === "done" ? "✓" : stageOf(id).mark);
  }
  put($("stage-lead"), lost ? "last known" : "now");
  put($("stage-hint"), current?.hint ?? "");
}

// lasted is how long the pair was in a stage the last time.
function lasted(history, id) {
  const left = history.findIndex((c) => c.from === id);
  const entered = history.slice(left + 1).find((c) => c.to === id);
  if (left < 0 || !entered) return "";
  const ms = new Date(history[left].at) - new Date(entered.at);
  return ms < 1000 ? ", under 1 s" : `, took ${duration(ms)}`;
}

// causes are the findings that none of the others explains.
export function causes(list) {
  return list.filter((f) => !f.explainedBy || !list.some((cause) => cause.name === f.explainedBy));
}

export function findings(found, observed, now) {
  const list = causes(found);
  put($("findings-count"), list.length ? plural(list.length, "finding") : observed ? "none: nothing is wrong" : "nothing was observed yet");
  const root = $("findings");
  while (root.children.length > list.length) root.lastElementChild.remove();
  while (root.children.length < list.length) root.append($("t-finding").content.cloneNode(true));
  list.forEach((f, i) => {
    const li = root.children[i];
    const severity = severities[f.severity] ?? severities.info;
    li.dataset.severity = f.severity in severities ? f.severity : "info";
    li.querySelector("path").setAttribute("d", severity.sign);
    put(li.querySelector(".sev b"), f.severity in severities ? severity.name : String(f.severity));
    put(li.querySelector("h3"), f.summary);
    put(li.querySelector("code"), f.name);
    put(li.querySelector(".since"), `${f.node}, since ${time(new Date(f.since), now)}`);
    put(li.querySelector(".remedy span"), f.remedy);
    const follows = found.filter((other) => other.explainedBy === f.name);
    show(li.querySelector(".explains"), follows.length);
    put(li.querySelector(".explains span"), follows.map((other) => `${other.summary} (${other.name})`).join(" "));
    const evidence = li.querySelector(".evidence");
    const wanted = f.evidence ?? [];
    show(li.querySelector(".evlead"), wanted.length);
    while (evidence.children.length > wanted.length) evidence.lastElementChild.remove();
    while (evidence.children.length < wanted.length) evidence.append(document.createElement("li"));
    wanted.forEach((text, j) => put(evidence.children[j], text));
  });
}

const fewChanges = 8;

export function history(list, all, now) {
  show($("history-none"), !list.length);
  put($("history-count"), list.length ? plural(list.length, "change") : "");
  show($("more"), list.length > fewChanges);
  $("more").setAttribute("aria-expanded", all);
  put($("more"), all ? "Show fewer" : `Show all ${number(list.length)}`);
  $("history").replaceChildren(...(all ? list : list.slice(0, fewChanges)).map((c) => {
    const li = $("t-change").content.cloneNode(true).firstElementChild;
    const when = li.querySelector("time");
    when.dateTime = when.title = String(c.at);
    when.textContent = time(new Date(c.at), now);
    li.dataset.to = stageOf(c.to) ? c.to : "";
    li.querySelector("b").textContent = c.from ? `${stageName(c.from)} → ${stageName(c.to)}` : stageName(c.to);
    li.querySelector("code").textContent = c.event;
    li.querySelector(".why").textContent = c.reason ?? "";
    return li;
  }));
}

const tableRows = 12;

export function table(samples, now) {
  const cell = (v) => (v === undefined ? none : number(v));
  $("samples").replaceChildren(...samples.slice(-tableRows).reverse().map((s) => {
    const row = document.createElement("tr");
    for (const text of [time(new Date(s.t), now), stageName(s.stage), cell(s.wallSlot), cell(s.gwatSlot), cell(s.beaconSlot), cell(s.gwatNumber)]) {
      row.append(Object.assign(document.createElement("td"), { textContent: text }));
    }
    return row;
  }));
}

