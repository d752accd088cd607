// One finding: picture, lungs, numbers, what changed, and what people did about it.

import { h, replace } from "./dom.js";
import { coded, t } from "./text.js";
import { held } from "./store.js";
import {
  ageSeconds, clock, duration, interval, isNumber, moment, number, patientDetails, patientName, percent, points,
} from "./format.js";
import { priorityBadge, stateMark, symbol, trendMark } from "./symbols.js";
import { ackButton, acknowledge, boxName, chips, findingPath, showsBurden, whoText } from "./list.js";
import { lungs, ZONES } from "./lungs.js";
import { history } from "./history.js";
import { verdictPanel } from "./verdict.js";
import { api } from "./api.js";
import { errorText } from "./errors.js";

export function findingView(id) {
  const root = h("div", { class: "finding" });
  const head = h("div");
  const body = h("div", { class: "columns" }, h("p", { class: "quiet" }, t("loading")));
  root.append(h("p", { class: "way-back" }, h("a", { href: "#/", class: "back" }, symbol("back"), t("back"))), head, body);
  // Parts are drawn one by one, so that a change elsewhere takes nothing from somebody who writes a verdict.
  const parts = { facts: h("div", { class: "column" }), more: h("div", { class: "column" }) };
  const panel = held().session?.role === "physician" ? verdictPanel() : null;
  let detail = null, asked = 0, over = false;

  async function load() {
    asked += 1;
    const own = asked;
    try {
      const loaded = await api.finding(id);
      if (over || own !== asked) return;
      detail = loaded;
      draw();
    } catch (error) {
      if (over || own !== asked || error.status === 401) return;
      const retry = h("button", { type: "button", class: "button quiet-button", onclick: load }, t("retry"));
      if (!detail) replace(body, h("div", { class: "note note-bad", role: "alert" }, errorText(error, { "http-404": "error.not-found" }), " ", retry));
    }
  }

  function draw() {
    const finding = detail;
    replace(head, heading(finding));
    if (!body.contains(parts.facts)) replace(body, parts.facts, parts.more);
    replace(parts.facts, preview(finding), zones(finding), about(finding));
    const rest = [numbers(finding), comparison(finding), historyPart(finding), quality(finding), log(finding)];
    if (panel && !finding.superseded_by) {
      panel.update(finding);
      if (!parts.panel) {
        parts.panel = h("div", { class: "panel-place" }, panel.root);
        parts.rest = h("div", { class: "column" });
        parts.more.replaceChildren(parts.panel, parts.rest);
      }
      replace(parts.rest, rest);
    } else {
      replace(parts.more, rest);
    }
  }

  function tick() {
    for (const cell of root.querySelectorAll("[data-age]")) {
      if (detail) cell.textContent = duration(ageSeconds(detail));
    }
  }

  load();
  return {
    root,
    title: () => (detail ? `${patientName(detail)} – ${coded("priority", detail.priority)}` : t("nav.findings")),
    tick,
    key(event) {
      if (event.key === "a") acknowledge(id, detail);
      else if (event.key === "u") location.hash = "#/";
      else return false;
      return true;
    },
    changed(topic, what) {
      if (topic === "findings" && (what === id || what === undefined)) {
        if (detail) draw();
        load();
      }
    },
    end() {
      over = true;
    },
  };
}

function heading(finding) {
  const who = whoText(finding);
  const live = held().findings.get(finding.id) ?? finding;
  return h(
    "header",
    { class: `finding-head head-${["critical", "urgent"].includes(finding.priority) ? finding.priority : "routine"}` },
    h(
      "div",
      { class: "who" },
      h("div", { class: "marks" }, priorityBadge(finding.priority), chips(finding)),
      h("h1", { tabindex: "-1" }, patientName(finding)),
      h("p", { class: "details" }, [...patientDetails(finding), boxName(finding)].join(" · ")),
    ),
    h(
      "div",
      { class: "what" },
      h("p", { class: "state-line" }, stateMark(finding), who && h("span", { class: "details" }, who)),
      h("p", { class: "details" }, t("list.age"), " ", h("span", { class: "age", "data-age": finding.id }, duration(ageSeconds(finding))), " · ", moment(finding.time)),
      ackButton(live, true),
    ),
    notes(finding),
  );
}

function notes(finding) {
  const list = [];
  if (finding.refused) {
    const text = coded("refused", finding.refused.code, finding.refused.text);
    list.push(h("p", { class: "note note-bad" }, `${t("finding.refused")}: ${text} (${clock(finding.refused.at)})`));
  }
  if (finding.superseded_by) {
    const link = h("a", { href: findingPath(finding.superseded_by) }, t("finding.superseded.open"));
    list.push(h("p", { class: "note" }, t("finding.superseded"), " ", link));
  }
  if (finding.late) list.push(h("p", { class: "note" }, t("finding.late")));
  if (finding.intended_use === "triage") list.push(h("p", { class: "note" }, t("finding.triage")));
  const notice = finding.notice && finding.notice !== "Assists a physician; not a diagnosis." ? finding.notice : t("notice");
  list.push(h("p", { class: "notice" }, notice));
  return h("div", { class: "notes" }, list);
}

let lastSection = 0;

function section(title, ...children) {
  return named("card", title, ...children);
}

function named(look, title, ...children) {
  lastSection += 1;
  const id = `part-${lastSection}`;
  return h("section", { class: look, "aria-labelledby": id }, h("h2", { id }, title), children);
}

function preview(finding) {
  if (!finding.has_preview) return section(t("finding.preview"), h("p", { class: "quiet" }, t("finding.preview.none")));
  const failed = h("p", { class: "quiet", hidden: true }, t("finding.preview.failed"));
  const picture = h("img", {
    class: "preview",
    src: api.previewPath(finding.id),
    alt: t("finding.preview.alt"),
    onerror: () => {
      picture.hidden = true;
      failed.hidden = false;
    },
  });
  return section(t("finding.preview"), picture, failed);
}

function zones(finding) {
  if (!showsBurden(finding) || !finding.zones?.length) return null;
  const burdens = new Map(finding.zones.map((zone) => [zone.zone, zone.burden_percent]));
  const changes = new Map((finding.comparison?.zones ?? []).map((zone) => [zone.zone, zone.burden_change_points]));
  const order = [...ZONES, ...[...burdens.keys()].filter((zone) => !ZONES.includes(zone))];
  const head = (key) => h("th", { scope: "col", class: key === "finding.zone" ? null : "number" }, t(key));
  const rows = order.map((zone) =>
    h(
      "tr",
      null,
      h("th", { scope: "row" }, coded("zone", zone)),
      h("td", { class: "number" }, percent(burdens.get(zone))),
      changes.size > 0 && h("td", { class: "number" }, points(changes.get(zone))),
    ),
  );
  const heads = [head("finding.zone"), head("list.burden"), changes.size > 0 && head("finding.change")];
  return section(
    t("finding.zones"),
    h("p", { class: "quiet" }, t("finding.zones.lead")),
    h(
      "div",
      { class: "lungs-and-table" },
      lungs(finding.zones, finding.comparison?.zones),
      h("table", { class: "small" }, h("caption", { class: "unseen" }, t("finding.zones.table")), h("thead", null, h("tr", null, heads)), h("tbody", null, rows)),
    ),
  );
}

function fact(name, ...value) {
  return h("div", { class: "fact" }, h("dt", null, name), h("dd", null, value));
}

function numbers(finding) {
  const score = fact(
    t("finding.score"),
    number(finding.score, 3),
    h("span", { class: "details" }, t("finding.score.note")),
  );
  if (!showsBurden(finding)) return section(t("finding.numbers"), h("dl", { class: "facts" }, score));
  const signed = isNumber(finding.signed_burden_percent);
  const below = signed
    ? t("finding.burden.signed", { percent: percent(finding.burden_percent) })
    : t("finding.burden.interval", { interval: interval(finding.burden_interval_percent) });
  const ml = (value) => t("finding.ml", { value: number(value, value < 10 ? 1 : 0) });
  return section(
    t("finding.numbers"),
    h(
      "p",
      { class: "headline" },
      h("strong", null, percent(signed ? finding.signed_burden_percent : finding.burden_percent)),
      " ",
      h("span", null, t("finding.burden.of")),
      h("span", { class: "details" }, below),
    ),
    h(
      "dl",
      { class: "facts" },
      isNumber(finding.volume_ml) && fact(t("finding.volume"), ml(finding.volume_ml)),
      isNumber(finding.lung_volume_ml) && fact(t("finding.lung-volume"), ml(finding.lung_volume_ml)),
      isNumber(finding.count) && fact(t("finding.count"), number(finding.count)),
      score,
    ),
  );
}

function comparison(finding) {
  if (finding.intended_use === "triage") return null;
  const found = finding.comparison;
  if (!found) return section(t("finding.comparison"), h("p", { class: "quiet" }, t("finding.comparison.none")));
  const registration = found.registration;
  return section(
    t("finding.comparison"),
    h(
      "p",
      { class: "headline" },
      trendMark(found.direction),
      h("strong", null, t("finding.points", { points: points(found.burden_change_points) })),
      h("span", { class: "details" }, t("finding.comparison.since", { days: t("days", { count: found.days }) })),
    ),
    isNumber(found.dead_band_points) &&
      h("p", { class: "quiet" }, t("finding.comparison.band", { points: number(found.dead_band_points, 1) })),
    registration &&
      h("p", { class: "quiet" }, t("finding.registration", { dice: number(registration.dice, 2), error: number(registration.error_mm, 1) })),
    found.note && h("p", { class: "note" }, coded("finding.note", found.note)),
    found.prior_finding_id &&
      h("p", null, h("a", { href: findingPath(found.prior_finding_id) }, t("finding.comparison.prior"))),
  );
}

function historyPart(finding) {
  if (finding.intended_use === "triage") return null;
  return section(t("finding.history"), history(finding.history, finding.id));
}

function quality(finding) {
  const notes = Array.isArray(finding.quality) ? finding.quality : [];
  const list = notes.map((code) => h("li", null, coded("quality", code)));
  return section(t("finding.quality"), list.length ? h("ul", { class: "plain-list" }, list) : h("p", { class: "quiet" }, t("finding.quality.good")));
}

function about(finding) {
  const series = finding.series ?? {}, model = finding.model ?? {};
  const spacing = Array.isArray(series.spacing_mm) ? series.spacing_mm.map((value) => number(value, 2)).join(" × ") : null;
  return named(
    "card about",
    t("finding.series"),
    h(
      "dl",
      { class: "facts wide" },
      series.acquired && fact(t("finding.acquired"), moment(series.acquired)),
      fact(t("finding.arrived"), moment(finding.received_at)),
      isNumber(series.instances) && fact(t("finding.instances"), number(series.instances), series.description_code ? ` (${series.description_code})` : ""),
      spacing && fact(t("finding.spacing"), t("finding.mm", { value: spacing })),
      model.name && fact(t("finding.model"), `${model.name} ${model.version ?? ""}`),
      model.backend && fact(t("finding.model.backend"), model.backend),
      model.digest && fact(t("finding.model.digest"), h("code", null, model.digest)),
      fact(t("finding.id"), h("code", null, finding.id)),
    ),
  );
}

/** The box's words in the reader's language, where they are those of the last refusal. */
function refusal(finding, text) {
  return finding.refused && finding.refused.text === text ? coded("refused", finding.refused.code, text) : text;
}

function log(finding) {
  const entries = finding.log ?? [];
  if (!entries.length) return section(t("finding.log"), h("p", { class: "quiet" }, t("finding.log.empty")));
  const heads = ["when", "what", "who"].map((name) => h("th", { scope: "col" }, t(`finding.log.${name}`)));
  const rows = entries.map((entry) => {
    const who = entry.by && entry.station ? t("state.by", { by: entry.by, station: entry.station }) : (entry.by ?? "");
    // Of what replaces it the id says nothing to a reader; the link stands above.
    const text = { superseded: null, refused: refusal(finding, entry.text) };
    const said = Object.hasOwn(text, entry.what) ? text[entry.what] : entry.text;
    return h(
      "tr",
      null,
      h("td", null, h("time", { datetime: entry.at }, clock(entry.at, true))),
      h("td", null, coded("log", entry.what), said && h("span", { class: "details written" }, said)),
      h("td", null, who),
    );
  });
  const inner = h("table", { class: "small log" }, h("thead", null, h("tr", null, heads)), h("tbody", null, rows));
  return section(t("finding.log"), inner);
}
