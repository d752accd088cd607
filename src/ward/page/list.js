// The findings of the ward, those that nobody has acknowledged on top.

import { h, replace, focusOn } from "./dom.js";
import { coded, t } from "./text.js";
import { ackFailed, ackSent, held, isOpen, now, openFindings, seenFindings } from "./store.js";
import { ageSeconds, clock, duration, interval, isNumber, patientDetails, patientName, percent, points } from "./format.js";
import { priorityBadge, stateMark, symbol, trendMark } from "./symbols.js";
import { boxStrip, silentBoxes } from "./boxes.js";
import { missedCount, notTriagedList } from "./not-triaged.js";
import { announce } from "./announce.js";
import { station } from "./signin.js";
import { api } from "./api.js";
import { errorText } from "./errors.js";

/** After this without a receipt the station says that the box has not answered. */
const ANSWER_MAX_MS = 15000;

export function listView() {
  const root = h("div", { class: "list" });
  const strip = h("div"), silent = h("div");
  const open = h("div"), seen = h("div"), missed = h("div");
  const openCount = h("span", { class: "count" }), seenCount = h("span", { class: "count" }), missedTotal = h("span", { class: "count" });
  root.append(
    h("div", { class: "page-head" }, h("h1", { tabindex: "-1" }, t("list.title")), strip),
    silent,
    h("section", { "aria-labelledby": "open-title" }, h("h2", { id: "open-title" }, t("list.open"), " ", openCount), open),
    h("section", { "aria-labelledby": "seen-title" }, h("h2", { id: "seen-title" }, t("list.seen"), " ", seenCount), seen),
    h("section", { "aria-labelledby": "missed-title" }, h("h2", { id: "missed-title" }, t("missed.title"), " ", missedTotal), missed),
  );

  function draw() {
    const opened = openFindings(), rest = seenFindings();
    openCount.textContent = String(opened.length);
    seenCount.textContent = String(rest.length);
    const focused = root.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
    replace(open, opened.length ? table(opened, true) : h("p", { class: "empty" }, symbol("acknowledged"), t("list.empty.open")));
    replace(seen, rest.length ? table(rest, false) : h("p", { class: "empty" }, t("list.empty.seen")));
    // The focus stays with the finding wherever it went: on the next one, a second press would acknowledge it unread.
    if (focused && !root.contains(document.activeElement)) {
      focusOn(root, focused);
      if (!root.contains(document.activeElement)) focusOn(root, focused.replace(/^ack-/, "patient-"));
    }
  }

  function drawMissed() {
    missedTotal.textContent = String(missedCount());
    const unfolded = missed.querySelector("details")?.open ?? false;
    replace(missed, notTriagedList());
    const folded = missed.querySelector("details");
    if (folded) folded.open = unfolded;
  }

  function drawStrip() {
    replace(strip, boxStrip());
    replace(silent, silentBoxes());
  }

  /** Ages tick in place: a table built anew each second would take the focus and the reader's place. */
  function tick() {
    for (const cell of root.querySelectorAll("[data-age]")) {
      const finding = held().findings.get(cell.dataset.age);
      if (finding) cell.textContent = duration(ageSeconds(finding));
    }
    for (const cell of root.querySelectorAll("[data-sent]")) {
      const sent = held().acksSent.get(cell.dataset.sent);
      if (sent && now() - sent > ANSWER_MAX_MS) cell.textContent = t("list.sent.long");
    }
  }

  function key(event) {
    const rows = [...root.querySelectorAll("tr[data-id]")];
    const row = document.activeElement?.closest?.("tr[data-id]");
    const place = rows.indexOf(row);
    const to = (next) => next?.querySelector(".patient-link")?.focus();
    if (event.key === "j" || event.key === "ArrowDown") to(rows[Math.min(place + 1, rows.length - 1)]);
    else if (event.key === "k" || event.key === "ArrowUp") to(rows[Math.max(place - 1, 0)]);
    else if (event.key === "a" && row) acknowledge(row.dataset.id);
    else return false;
    return true;
  }

  draw();
  drawMissed();
  drawStrip();
  return {
    root,
    title: () => t("list.title"),
    tick,
    key,
    changed(topic) {
      if (topic === "findings") draw();
      if (topic === "not-triaged") drawMissed();
      if (topic === "boxes") drawStrip();
    },
  };
}

const COLUMNS = ["priority", "patient", "age", "burden", "trend", "box", "state", "action"];
const HEADS = {
  priority: "priority", patient: "patient", age: "list.age", burden: "list.burden", trend: "list.trend", box: "list.box",
  state: "list.state", action: "list.action",
};

/** Roles are said in so many words: on a phone the rows are laid out as cards, and browsers then forget that it is a table. */
function table(findings, open) {
  const columns = open && mayAcknowledge() ? COLUMNS : COLUMNS.filter((name) => name !== "action");
  const heads = columns.map((name) => h("th", { scope: "col", role: "columnheader", class: `c-${name}` }, t(!open && name === "age" ? "list.time" : HEADS[name])));
  return h(
    "table",
    { class: "findings", role: "table" },
    h("caption", { class: "unseen" }, t(open ? "list.caption.open" : "list.caption.seen")),
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, heads)),
    h("tbody", { role: "rowgroup" }, findings.map((finding) => row(finding, columns))),
  );
}

function row(finding, columns) {
  const tones = ["critical", "urgent"];
  const known = isOpen(finding) ? `row-${tones.includes(finding.priority) ? finding.priority : "routine"}` : "row-seen";
  const cells = columns.map((name) => {
    const attributes = { class: `c-${name}`, role: name === "patient" ? "rowheader" : "cell" };
    return h(name === "patient" ? "th" : "td", name === "patient" ? { ...attributes, scope: "row" } : attributes, CELLS[name](finding));
  });
  const look = finding.superseded_by ? `${known} superseded` : known;
  return h("tr", { class: look, role: "row", "data-id": finding.id }, cells);
}

const CELLS = {
  priority: (finding) => priorityBadge(finding.priority),
  patient: (finding) => [
    h("a", { class: "patient-link", href: findingPath(finding.id), "data-focus": `patient-${finding.id}` }, patientName(finding)),
    h("span", { class: "details" }, patientDetails(finding).join(" · ")),
    chips(finding),
  ],
  age: (finding) => ageCell(finding),
  burden: (finding) => burdenCell(finding),
  trend: (finding) => trendCell(finding),
  box: (finding) => [
    h("span", { class: "box-name" }, finding.box?.device ?? "?"),
    finding.box?.site !== held().session?.site && h("span", { class: "details" }, finding.box?.site),
  ],
  state: (finding) => stateCell(finding),
  action: (finding) => ackButton(finding),
};

export function findingPath(id) {
  return `#/finding/${encodeURIComponent(id)}`;
}

export function boxName(finding) {
  return `${finding.box?.site ?? "?"} / ${finding.box?.device ?? "?"}`;
}

/** Whether anything about burden may be shown. */
export function showsBurden(finding) {
  return finding.intended_use !== "triage" && isNumber(finding.burden_percent);
}

export function chips(finding) {
  const chip = (name, look) =>
    h("span", { class: `chip chip-${look}`, title: t(`chip.${name}.text`) }, name === "late" && symbol("late"), t(`chip.${name}`));
  const list = [];
  if (finding.late) list.push(chip("late", "plain"));
  if (finding.superseded_by) list.push(chip("superseded", "plain"));
  return list.length ? h("span", { class: "chips" }, list) : null;
}

/** Ages of what nobody has seen tick; of the rest the time is enough. */
function ageCell(finding) {
  const time = h("time", { datetime: finding.time }, clock(finding.time));
  if (!isOpen(finding)) return time;
  return [h("span", { class: "age", "data-age": finding.id }, duration(ageSeconds(finding))), h("span", { class: "details" }, time)];
}

function burdenCell(finding) {
  if (!showsBurden(finding)) return h("span", { class: "quiet" }, t("list.hidden-burden"));
  if (isNumber(finding.signed_burden_percent)) {
    return [
      h("span", { class: "burden" }, percent(finding.signed_burden_percent)),
      h("span", { class: "details" }, h("del", null, percent(finding.burden_percent))),
    ];
  }
  return [
    h("span", { class: "burden" }, percent(finding.burden_percent)),
    h("span", { class: "details" }, interval(finding.burden_interval_percent)),
  ];
}

function trendCell(finding) {
  const comparison = finding.comparison;
  if (finding.intended_use === "triage") return h("span", { class: "quiet" }, "–");
  if (!comparison) return h("span", { class: "quiet" }, t("trend.none"));
  const days = t("days", { count: comparison.days });
  return [
    trendMark(comparison.direction),
    h("span", { class: "details" }, t("trend.points", { points: points(comparison.burden_change_points), days })),
  ];
}

function stateCell(finding) {
  if (finding.superseded_by) return h("span", { class: "quiet" }, t("chip.superseded"));
  const who = whoText(finding);
  return [stateMark(finding), who && h("span", { class: "details" }, who)];
}

/** `Chan, Ward 7B · 14:05` */
export function whoText(finding) {
  if (finding.state === "open" || finding.state === "escalated") return finding.state === "escalated" ? clock(finding.state_at) : "";
  const who = finding.by && finding.station ? t("state.by", { by: finding.by, station: finding.station }) : (finding.by ?? "");
  return [who, clock(finding.state_at)].filter(Boolean).join(" · ");
}

/** IT looks after boxes, not after patients. */
function mayAcknowledge() {
  return held().session?.role !== "it";
}

/** The one button; after it was pressed, what became of it. */
export function ackButton(finding, large = false) {
  if (!isOpen(finding) || !mayAcknowledge()) return null;
  const name = { priority: coded("priority", finding.priority), patient: patientName(finding) };
  const focus = `ack-${finding.id}`;
  const sent = held().acksSent.get(finding.id);
  if (sent) {
    const text = now() - sent > ANSWER_MAX_MS ? "list.sent.long" : "list.sent";
    const look = { class: "sent", tabindex: "-1", "data-focus": focus, "data-sent": finding.id };
    return h("span", look, t(text));
  }
  const look = finding.priority === "routine" ? "button quiet-button" : "button";
  return h(
    "button",
    {
      type: "button",
      class: large ? `${look} large` : look,
      "aria-label": t("list.acknowledge.of", name),
      "data-focus": focus,
      onclick: () => acknowledge(finding.id, finding),
    },
    symbol("acknowledged"),
    t("list.acknowledge"),
  );
}

/** Tells the box that somebody here has seen the finding. */
export async function acknowledge(id, known = null) {
  const finding = held().findings.get(id) ?? known;
  if (!finding || !isOpen(finding) || !mayAcknowledge() || held().acksSent.has(id)) return;
  ackSent(id);
  try {
    await api.acknowledge(id, station());
  } catch (error) {
    ackFailed(id);
    announce(t("alert.ack-failed", { text: errorText(error) }), true, true);
    focusOn(document, `ack-${id}`);
  }
}
