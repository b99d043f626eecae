// The connection to syncd: snapshots over WebSocket, by POST where that fails.
import { duration } from "./text.js";
import { say, w } from "./words.js";

const changes = 200; // of the history
const samples = 900; // the most that syncd gives
const wait = 5000; // for an answer
const quiet = 10000; // without a message, then syncd is asked whether there is news
const pollVisible = 1000;
const pollHidden = 15000;
const backoffFirst = 1000;
const backoffMost = 15000;

// Refusal is an error that syncd itself answered with.
class Refusal extends Error {}

export class Feed {
  #on;
  #socket = null;
  #timers = {};
  #tries = 0; // failed in a row, for the backoff
  #socketTries = 0;
  #id = 0;
  #turn = 0; // of polls: only the newest one counts
  #heard = 0; // messages of the socket
  #seq = 0; // of the newest snapshot

  // on.snapshot(snapshot, skew), on.link(state, detail), on.known({history, samples}).
  constructor(on) {
    this.#on = on;
    document.addEventListener("visibilitychange", () => this.#visibility());
  }

  start() { this.#poll(); }

  retryNow() { this.#socketTries = 0; this.#poll(); }

  async call(method, ...params) {
    const answer = await fetch("./", {
      method: "POST", cache: "no-store", credentials: "same-origin", redirect: "error",
      headers: { "Content-Type": "application/json" }, signal: AbortSignal.timeout(wait),
      body: JSON.stringify({ jsonrpc: "2.0", id: ++this.#id, method, params }),
    });
    if (!answer.ok) throw new Error(say(w.lost.status, { status: answer.status }));
    const { result, error } = await answer.json();
    if (error) throw new Refusal(String(error.message));
    return { result, skew: skew(answer, result) };
  }

  // load fetches what a snapshot does not hold.
  async load() {
    const [history, progress] = await Promise.allSettled([this.call("syncd_history", changes), this.call("syncd_progress", samples)]);
    const known = {};
    for (const { reason } of [history, progress]) if (reason instanceof Refusal) console.error(reason.message);
    if (history.status === "fulfilled") known.history = history.value.result ?? [];
    if (progress.status === "fulfilled") known.samples = progress.value.result?.samples ?? [];
    this.#on.known(known);
  }

  #after(name, ms, what) {
    clearTimeout(this.#timers[name]);
    this.#timers[name] = setTimeout(what, ms);
  }

  // poll asks once; what follows depends on whether there is an answer and a socket.
  async #poll() {
    clearTimeout(this.#timers.poll);
    const turn = ++this.#turn;
    const before = this.#heard;
    try {
      const { result, skew } = await this.call("syncd_status");
      if (turn !== this.#turn) return;
      this.#tries = 0;
      if (this.#heard === before) {
        if (result.seq !== this.#seq && this.#open()) this.#drop(); // it should have told that
        this.#give(result, skew);
      }
      this.#answered();
    } catch (error) {
      if (turn !== this.#turn) return;
      if (error instanceof Refusal) { // it answers, but has no snapshot to give
        this.#tries = 0;
        this.#answered("silent");
        return;
      }
      this.#drop();
      this.#on.link("lost", reason(error));
      this.#after("poll", backoff(this.#tries++), () => this.#poll());
    }
  }

  #open() { return this.#socket?.readyState === WebSocket.OPEN && this.#heard > 0; }

  #give(snapshot, skew) {
    this.#seq = snapshot.seq;
    this.#on.snapshot(snapshot, skew);
  }

  #answered(link = "polling") {
    if (this.#open()) {
      this.#after("quiet", quiet, () => this.#poll());
      return;
    }
    this.#on.link(link);
    this.#after("poll", document.hidden ? pollHidden : pollVisible, () => this.#poll());
    if (!document.hidden && !this.#socket && !this.#timers.socket) this.#connect();
  }

  #connect() {
    this.#timers.socket = undefined;
    let socket;
    try {
      const url = new URL("./", location.href); // a proxy may serve the page below a path
      url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
      socket = new WebSocket(url);
    } catch {
      return this.#again();
    }
    this.#socket = socket;
    this.#heard = 0;
    let first = true;
    socket.onopen = () => socket.send(JSON.stringify({ jsonrpc: "2.0", id: ++this.#id, method: "syncd_subscribe", params: ["progress"] }));
    socket.onclose = () => {
      if (this.#socket !== socket) return;
      this.#drop();
      this.#again();
      this.#poll();
    };
    socket.onmessage = (message) => {
      if (this.#socket !== socket) return;
      let said;
      try { said = JSON.parse(message.data); } catch { return socket.close(); }
      if (said.error) return socket.close();
      const snapshot = said.params?.result;
      if (!snapshot?.seq) return;
      this.#heard++;
      this.#socketTries = this.#tries = 0;
      clearTimeout(this.#timers.poll);
      this.#after("quiet", quiet, () => this.#poll());
      // What is pushed later was taken just now: it tells syncd's clock.
      const at = Date.parse(snapshot.at) - Date.now();
      this.#give(snapshot, first ? undefined : at);
      this.#on.link("live");
      first = false;
    };
  }

  // again tries a socket later, for as long as polls are answered.
  #again() {
    if (document.hidden) return;
    this.#after("socket", backoff(this.#socketTries++), () => this.#connect());
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    clearTimeout(this.#timers.quiet);
    socket?.close();
  }

  // A hidden page asks seldom and holds no socket.
  #visibility() {
    clearTimeout(this.#timers.socket);
    this.#timers.socket = undefined;
    if (document.hidden) this.#drop();
    else this.#socketTries = 0;
    this.#poll();
  }
}

const backoff = (tries) => Math.min(backoffMost, backoffFirst * 2 ** Math.min(tries, 10)) * (0.8 + 0.4 * Math.random());

// skew is syncd's clock less this one's, by the answer's date (a second coarse)
// and the snapshot, which cannot be of the future.
function skew(answer, result) {
  const date = Date.parse(answer.headers.get("Date") ?? "");
  const at = Date.parse(result?.at ?? "");
  const known = [date, at].filter((t) => !Number.isNaN(t));
  return known.length ? Math.max(...known) - Date.now() : undefined;
}

function reason(error) {
  if (error.name === "TimeoutError") return say(w.lost.timeout, { time: duration(wait) });
  if (error instanceof TypeError) return w.lost.unreachable;
  if (error instanceof SyntaxError) return w.lost.other;
  return say(w.lost.cannot, { why: error.message });
}
