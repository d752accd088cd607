// A physician's verdict: decided, shown word for word, signed, sent.

import { h, replace, freshId } from "./dom.js";
import { coded, t } from "./text.js";
import { held, now } from "./store.js";
import { isNumber, moment, number, percent } from "./format.js";
import { signedText } from "./canonical.js";
import { sign } from "./keyring.js";
import { keyNote, ownKey } from "./my-key.js";
import { api } from "./api.js";
import { errorText } from "./errors.js";

const COMMENT_MAX = 1000;

/** The panel; `update(finding)` tells it what is on the page. */
export function verdictPanel() {
  const root = h("section", { class: "card verdict", "aria-labelledby": "verdict-title" });
  const title = h("h2", { id: "verdict-title" }, t("verdict.title"));
  const body = h("div", null, h("p", { class: "quiet" }, t("loading")));
  root.append(title, body);
  let finding = null, begun = false;

  async function begin() {
    try {
      const { state, key } = await ownKey();
      if (state !== "listed") {
        replace(body, keyNote(state), h("p", null, h("a", { class: "button quiet-button", href: "#/my-key" }, t("key.go"))));
        return;
      }
      replace(body, form(key, () => finding));
    } catch (error) {
      begun = false;
      if (error.status !== 401) replace(body, h("p", { class: "note note-bad", role: "alert" }, errorText(error)));
    }
  }

  return {
    root,
    update(next) {
      finding = next;
      if (begun) return;
      begun = true;
      begin();
    },
  };
}

function form(key, current) {
  const shown = current();
  const group = freshId("decision");
  const trouble = h("p", { class: "field-error", role: "alert", hidden: true });
  const told = h("p", { class: "note note-good", role: "status", hidden: true });
  const percentId = freshId("percent"), percentError = freshId("error"), commentId = freshId("comment"), leftId = freshId("left");
  const burden = h("input", {
    id: percentId, type: "text", inputmode: "decimal", autocomplete: "off", size: "6", maxlength: "6", "aria-describedby": percentError,
  });
  const burdenTrouble = h("p", { class: "field-error", id: percentError });
  const burdenField = h("div", { class: "field", hidden: true }, h("label", { for: percentId }, t("verdict.burden")), burden, burdenTrouble);
  const comment = h("textarea", { id: commentId, rows: "3", "aria-describedby": leftId, oninput: () => count() });
  const left = h("p", { class: "details", id: leftId });
  const decisions = isNumber(shown.burden_percent) ? ["confirm", "correct", "reject"] : ["confirm", "reject"];
  const choices = decisions.map((name) => {
    const id = freshId("choice");
    const choice = h("input", { type: "radio", name: group, id, value: name, onchange: () => chosen() });
    const label = h("label", { for: id }, h("span", null, t(`verdict.${name}`)), h("span", { class: "details" }, t(`verdict.${name}.hint`)));
    return { choice, part: h("div", { class: "choice" }, choice, label) };
  });
  const decision = () => choices.find(({ choice }) => choice.checked)?.choice.value;

  function chosen() {
    burdenField.hidden = decision() !== "correct";
    told.hidden = true;
    trouble.hidden = true;
  }

  function count() {
    const rest = COMMENT_MAX - [...comment.value].length;
    left.textContent = rest >= 0 ? t("verdict.comment.left", { count: rest }) : t("verdict.comment.long", { count: -rest });
    return rest >= 0;
  }

  function complain(text, field) {
    trouble.textContent = text;
    trouble.hidden = false;
    field?.focus();
  }

  function review(event) {
    event.preventDefault();
    trouble.hidden = true;
    burdenTrouble.textContent = "";
    burden.removeAttribute("aria-invalid");
    if (!decision()) return complain(t("verdict.choose"), choices[0].choice);
    let corrected;
    if (decision() === "correct") {
      const text = burden.value.trim().replace(",", ".");
      corrected = /^\d{1,3}(\.\d{1,2})?$/.test(text) ? Number(text) : NaN;
      if (!(corrected >= 0 && corrected <= 100)) {
        burdenTrouble.textContent = t("verdict.burden.wrong");
        burden.setAttribute("aria-invalid", "true");
        return burden.focus();
      }
    }
    if (!count()) return complain(left.textContent, comment);
    const finding = current();
    const verdict = compose(finding, decision(), corrected, comment.value.trim(), key);
    confirmDialog(verdict, finding, current, key, () => {
      told.textContent = t("verdict.sent");
      told.hidden = false;
      element.reset();
      chosen();
      told.hidden = false;
      count();
    });
  }

  count();
  const element = h(
    "form",
    { class: "verdict-form", onsubmit: review },
    h("p", { class: "quiet" }, t("verdict.lead")),
    ["confirmed", "corrected", "rejected"].includes(shown.state) && h("p", { class: "note" }, t("verdict.again")),
    h("fieldset", null, h("legend", null, t("verdict.decision")), choices.map(({ part }) => part)),
    burdenField,
    h("div", { class: "field" }, h("label", { for: commentId }, t("verdict.comment")), comment, left),
    trouble,
    h("div", { class: "actions" }, h("button", { type: "submit", class: "button" }, t("verdict.review"))),
    told,
  );
  return element;
}

/** The verdict without its signature. What the page hides is absent, not null. */
function compose(finding, decision, corrected, comment, key) {
  const seen = { priority: finding.priority, score: finding.score, model_digest: finding.model?.digest };
  if (isNumber(finding.burden_percent)) seen.burden_percent = finding.burden_percent;
  const verdict = {
    finding_id: finding.id,
    decision,
    by: held().session.name,
    at: new Date(now()).toISOString(),
    key_id: key.key_id,
    seen,
  };
  if (corrected !== undefined) verdict.burden_percent = corrected;
  if (comment) verdict.comment = comment;
  return verdict;
}

function sameSeen(verdict, finding) {
  const { seen } = verdict;
  const same = seen.priority === finding.priority && seen.score === finding.score && seen.burden_percent === finding.burden_percent;
  return same && seen.model_digest === finding.model?.digest;
}

/** Shows what will be signed, to the letter; nothing is signed before the button. */
function confirmDialog(verdict, finding, current, key, done) {
  const trouble = h("p", { class: "field-error", role: "alert", hidden: true });
  const button = h("button", { type: "button", class: "button", onclick: () => send() }, t("verdict.sign"));
  const { seen } = verdict;
  const sawBurden = isNumber(seen.burden_percent) ? t("verdict.review.seen.burden", { percent: percent(seen.burden_percent) }) : "";
  const saw = t("verdict.review.seen.text", {
    priority: coded("priority", seen.priority),
    score: number(seen.score, 3),
    burden: sawBurden,
    model: `${finding.model?.name ?? ""} ${finding.model?.version ?? ""}`.trim(),
  });
  const row = (name, ...value) => h("div", { class: "fact" }, h("dt", null, t(name)), h("dd", null, value));
  const titleId = freshId("title");
  const dialog = h(
    "dialog",
    { class: "dialog", "aria-labelledby": titleId, onclose: () => dialog.remove() },
    h("h2", { id: titleId, tabindex: "-1" }, t("verdict.review.title")),
    h("p", { class: "quiet" }, t("verdict.review.lead")),
    h(
      "dl",
      { class: "facts wide" },
      row("verdict.review.decision", h("strong", null, t(`verdict.${verdict.decision}`))),
      verdict.burden_percent !== undefined && row("verdict.review.burden", h("strong", null, percent(verdict.burden_percent))),
      verdict.comment !== undefined && row("verdict.review.comment", h("span", { class: "written" }, verdict.comment)),
      row("verdict.review.seen", saw),
      row("verdict.review.by", verdict.by),
      row("verdict.review.at", moment(verdict.at)),
      row("verdict.review.key", h("code", null, verdict.key_id)),
    ),
    h(
      "details",
      { class: "more" },
      h("summary", null, t("verdict.review.text")),
      h("pre", { class: "signed-text", tabindex: "0", lang: "en", "aria-label": t("verdict.review.text"), role: "region" }, signedText(verdict)),
    ),
    trouble,
    h(
      "div",
      { class: "actions" },
      button,
      h("button", { type: "button", class: "button quiet-button", onclick: () => dialog.close() }, t("cancel")),
    ),
  );

  async function send() {
    if (button.disabled) return;
    trouble.hidden = true;
    if (!sameSeen(verdict, current())) {
      trouble.textContent = t("verdict.changed");
      trouble.hidden = false;
      return;
    }
    button.disabled = true;
    button.textContent = t("verdict.signing");
    try {
      await api.verdict(verdict.finding_id, await sign(key, verdict));
      dialog.close();
      done();
    } catch (error) {
      if (error.status === 401) return dialog.close();
      trouble.textContent = errorText(error);
      trouble.hidden = false;
      button.disabled = false;
      button.textContent = t("verdict.sign");
    }
  }

  document.body.append(dialog);
  dialog.showModal();
  dialog.querySelector("h2").focus();
}
