// What this page knows. One place holds it; views look here and are told when something changed.

const PRIORITIES = { critical: 0, urgent: 1, routine: 2 };

const state = {
  session: null,
  findings: new Map(),
  notTriaged: new Map(),
  boxes: new Map(),
  broker: null,
  sequence: 0,
  clockAhead: 0,
  connection: { state: "connecting", since: Date.now() },
  acksSent: new Map(),
};

const watchers = new Set();

/** The state itself; only this file changes it. */
export function held() {
  return state;
}

/** Calls `watcher(topic, detail)` after each change; the answer ends that. */
export function watch(watcher) {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

function tell(topic, detail) {
  for (const watcher of [...watchers]) watcher(topic, detail);
}

/** The server's time, milliseconds: stations' own clocks are often wrong. */
export function now() {
  return Date.now() + state.clockAhead;
}

export function setServerTime(text) {
  const at = Date.parse(text);
  if (Number.isFinite(at)) state.clockAhead = at - Date.now();
}

export function setSession(session) {
  state.session = session;
  if (session?.server_time) setServerTime(session.server_time);
  tell("session");
}

/** Forgets all of patients; after signing out nothing of theirs stays in memory. */
export function clear() {
  state.findings.clear();
  state.notTriaged.clear();
  state.boxes.clear();
  state.acksSent.clear();
  state.sequence = 0;
}

export function setConnection(name) {
  if (state.connection.state === name) return;
  state.connection = { state: name, since: Date.now() };
  tell("connection");
}

/** Moves on to `sequence`, from where the events go on after a break. */
export function reach(sequence) {
  if (Number.isSafeInteger(sequence) && sequence > state.sequence) state.sequence = sequence;
}

/** The whole list, as the server had it at `sequence`. */
export function loadFindings(list, sequence) {
  const earlier = state.findings;
  // Not the higher of the two: a server with another store counts anew.
  state.sequence = Number.isSafeInteger(sequence) ? sequence : 0;
  state.findings = new Map(list.map((finding) => [finding.id, finding]));
  for (const finding of list) settle(finding);
  tell("findings");
  // After a break the new ones are as new as if they had come one by one.
  if (earlier.size > 0) list.filter((it) => !earlier.has(it.id)).forEach((it) => tell("new", it));
}

/** One finding, new or changed. One that was there already in this form is no news. */
export function takeFinding(finding) {
  const before = state.findings.get(finding.id);
  if (before && !(finding.sequence > before.sequence)) return;
  state.findings.set(finding.id, finding);
  settle(finding);
  tell("findings", finding.id);
  if (before && finding.refused && finding.refused.at !== before.refused?.at) tell("refused", finding);
  if (!before) tell("new", finding);
  else if (!before.escalated && finding.escalated && isOpen(finding)) tell("escalated", finding);
  else if (before.state !== finding.state) tell("state", finding);
}

/** The series that have no finding. */
export function loadNotTriaged(list) {
  state.notTriaged = new Map(list.map((series) => [series.id, series]));
  tell("not-triaged");
}

/** One of them, new, or replaced by what became of it. */
export function takeNotTriaged(series) {
  if (series.superseded_by) state.notTriaged.delete(series.id);
  else state.notTriaged.set(series.id, series);
  tell("not-triaged");
}

/** The series that have no finding, the newest on top. */
export function notTriaged() {
  return [...state.notTriaged.values()].sort((one, other) => compare(other.received_at, one.received_at) || compare(one.id, other.id));
}

/** An answer of the box ends the wait for it. */
function settle(finding) {
  const sent = state.acksSent.get(finding.id);
  if (sent && (!isOpen(finding) || finding.refused?.what === "ack")) state.acksSent.delete(finding.id);
}

export function ackSent(id) {
  state.acksSent.set(id, now());
  tell("findings", id);
}

export function ackFailed(id) {
  state.acksSent.delete(id);
  tell("findings", id);
}

/** All boxes, and whether the server hears the broker that they speak through. */
export function loadBoxes(list, broker) {
  state.boxes = new Map(list.map((box) => [`${box.site}/${box.device}`, box]));
  state.broker = broker ?? null;
  tell("boxes");
}

export function takeBox(box) {
  state.boxes.set(`${box.site}/${box.device}`, box);
  tell("boxes");
}

/** Whether nobody has seen it yet. */
export function isOpen(finding) {
  return (finding.state === "open" || finding.state === "escalated") && !finding.superseded_by;
}

/** Whether it asks for attention by sound and title. */
export function isCalling(finding) {
  return isOpen(finding) && finding.priority !== "routine";
}

/** Those nobody has seen, most urgent first, the oldest of them on top. */
export function openFindings() {
  const rank = (finding) => PRIORITIES[finding.priority] ?? 3;
  const open = [...state.findings.values()].filter(isOpen);
  return open.sort((one, other) => rank(one) - rank(other) || compare(one.time, other.time) || compare(one.id, other.id));
}

/** The rest, the latest change on top. */
export function seenFindings() {
  const at = (finding) => finding.state_at ?? finding.time;
  const seen = [...state.findings.values()].filter((finding) => !isOpen(finding));
  return seen.sort((one, other) => compare(at(other), at(one)) || compare(one.id, other.id));
}

function compare(one, other) {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}
