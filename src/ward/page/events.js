// The stream of changes. Read by hand, not by EventSource: only so does the page see the server's sign of life, and knows
// within 25 seconds that it looks at old news.

import { reach, held, setConnection, setServerTime, takeBox, takeFinding, takeNotTriaged } from "./store.js";

const SILENCE_MAX_MS = 25000;
const WAITS_MS = [500, 1000, 2000, 4000, 8000, 15000];
// One event is a finding or a box; more than this is no event of ours.
const EVENT_CHARS_MAX = 1 << 20;

let running = null;

/** Follows the changes until `stop`. `reload` is called when too much was missed, `expired` when the session ended. */
export function follow({ reload, expired }) {
  stop();
  const follower = { end: null, heardAt: Date.now(), failures: 0, wake: null, over: false, reload, expired };
  running = follower;
  follower.ticker = setInterval(() => watchSilence(follower), 1000);
  run(follower);
}

export function stop() {
  if (!running) return;
  running.over = true;
  running.end?.abort();
  running.wake?.();
  clearInterval(running.ticker);
  running = null;
}

/** Tries again now, not when the wait is over. */
export function tryNow() {
  running?.wake?.();
}

window.addEventListener("online", tryNow);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) tryNow();
});

function watchSilence(follower) {
  if (Date.now() - follower.heardAt < SILENCE_MAX_MS) return;
  setConnection("lost");
  follower.end?.abort();
}

async function run(follower) {
  while (!follower.over) {
    try {
      await listen(follower);
    } catch {
      // The line is down, or was silent for too long: both end here.
    }
    if (follower.over) return;
    setConnection("lost");
    const wait = WAITS_MS[Math.min(follower.failures, WAITS_MS.length - 1)];
    follower.failures += 1;
    await new Promise((resolve) => {
      follower.wake = resolve;
      setTimeout(resolve, wait * (0.75 + Math.random() / 2));
    });
    follower.heardAt = Date.now();
  }
}

async function listen(follower) {
  follower.end = new AbortController();
  const after = held().sequence;
  const response = await fetch(`/api/events?after=${after}`, {
    headers: { Accept: "text/event-stream", "Last-Event-ID": String(after) },
    credentials: "same-origin",
    cache: "no-store",
    signal: follower.end.signal,
  });
  if (response.status === 401) {
    stop();
    follower.expired();
    return;
  }
  if (!response.ok || !response.body) throw new Error(`events: ${response.status}`);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const parser = new Parser((event) => take(follower, event));
  for (;;) {
    const { done, value } = await reader.read();
    if (done || follower.over) return;
    follower.heardAt = Date.now();
    follower.failures = 0;
    setConnection("live");
    parser.push(value);
  }
}

/** Lines to events, as the HTML standard has it, section 9.2.6. */
export class Parser {
  constructor(emit) {
    this.emit = emit;
    this.rest = "";
    this.begin();
  }

  begin() {
    this.name = "message";
    this.data = [];
    this.size = 0;
  }

  push(text) {
    this.rest += text;
    if (this.rest.length > EVENT_CHARS_MAX) throw new Error("events: a line without an end");
    // A line feed may still follow a carriage return at the very end.
    const end = this.rest.endsWith("\r") ? this.rest.length - 1 : this.rest.length;
    const lines = this.rest.slice(0, end).split(/\r\n|\n|\r/);
    this.rest = lines.pop() + this.rest.slice(end);
    for (const line of lines) this.line(line);
  }

  line(line) {
    if (line === "") {
      if (this.data.length > 0 || this.name !== "message") {
        this.emit({ id: this.id, name: this.name, data: this.data.join("\n") });
      }
      this.begin();
      return;
    }
    const [, field, value] = /^([^:]*):? ?([^]*)$/.exec(line);
    if (field === "event") this.name = value;
    else if (field === "id") this.id = value;
    else if (field === "data") {
      this.size += value.length;
      if (this.size > EVENT_CHARS_MAX) throw new Error("events: an event without an end");
      this.data.push(value);
    }
  }
}

function take(follower, event) {
  const value = event.data ? JSON.parse(event.data) : {};
  if (event.name === "expired") {
    stop();
    follower.expired();
    return;
  }
  if (event.name === "reload") {
    follower.reload();
    return;
  }
  if (event.name === "hello") setServerTime(value.server_time);
  if (event.name === "finding") takeFinding(value);
  if (event.name === "not-triaged") takeNotTriaged(value);
  if (event.name === "box") takeBox(value);
  if (event.id !== undefined) reach(Number(event.id));
}
