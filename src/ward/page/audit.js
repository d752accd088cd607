// IT: the audit trail, to be taken away and checked.

import { h, freshId } from "./dom.js";
import { t } from "./text.js";

export function auditView() {
  const id = freshId("from");
  const link = h("a", { class: "button", download: "scanward-audit.jsonl", href: "/api/audit" }, t("audit.download"));
  const from = h("input", { id, type: "date", onchange: () => point() });

  function point() {
    const day = /^\d{4}-\d{2}-\d{2}$/.test(from.value) ? `?from=${from.value}T00:00:00.000Z` : "";
    link.setAttribute("href", `/api/audit${day}`);
  }

  const root = h(
    "div",
    { class: "narrow" },
    h("h1", { tabindex: "-1" }, t("audit.title")),
    h("p", { class: "lead" }, t("audit.lead")),
    h(
      "div",
      { class: "card" },
      h("div", { class: "field" }, h("label", { for: id }, t("audit.from")), from),
      h("div", { class: "actions" }, link),
    ),
  );
  return { root, title: () => t("audit.title"), changed() {} };
}
