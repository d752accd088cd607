// IT: who may sign. Codes for enrolling, the next list, IT's own key, and taking a key back.

import { h, replace, freshId } from "./dom.js";
import { t } from "./text.js";
import { held } from "./store.js";
import { moment } from "./format.js";
import { canSign, findKeys, makeKey, sign } from "./keyring.js";
import { signedText } from "./canonical.js";
import { grouped } from "./my-key.js";
import { api } from "./api.js";
import { errorText } from "./errors.js";

const NEW = "pending", GOING = "revoking";
const LIST_ERRORS = {
  "bad-signature": "keys.error.bad-signature",
  "no-it-key": "keys.error.bad-signature",
  "old-counter": "keys.error.changed",
  "other-keys": "keys.error.changed",
};

export function keysView() {
  const own = h("section", { class: "card", "aria-labelledby": "own-title" });
  const codes = h("section", { class: "card", "aria-labelledby": "codes-title" });
  const list = h("section", { class: "card", "aria-labelledby": "keys-title" });
  const draft = h("section", { class: "card", "aria-labelledby": "draft-title" });
  const told = h("div", { role: "status" });
  const root = h(
    "div",
    { class: "keys" },
    h("h1", { tabindex: "-1" }, t("keys.title")),
    h("p", { class: "lead" }, t("keys.lead")),
    told,
    h("div", { class: "columns" }, h("div", { class: "column" }, draft, list), h("div", { class: "column" }, codes, own)),
  );
  const known = { keys: [], codes: [], own: null, trusted: [], draft: null };
  let over = false;

  async function load() {
    try {
      const supported = await canSign();
      const [answer, next, mine] = await Promise.all([
        api.keys(),
        api.draft(),
        supported ? findKeys("list", held().session.user) : [],
      ]);
      if (over) return;
      known.supported = supported;
      known.keys = answer.keys ?? [];
      known.codes = answer.codes ?? [];
      known.list = answer.list ?? null;
      known.counter = answer.counter ?? 0;
      known.trusted = answer.it_keys ?? null;
      known.draft = next;
      known.own = mine.find((key) => isTrusted(key)) ?? mine[0] ?? null;
      draw();
    } catch (error) {
      if (!over && error.status !== 401) tell(errorText(error), true);
    }
  }

  /** Whether the server trusts it; null where the server does not say. */
  function isTrusted(key) {
    return known.trusted ? known.trusted.includes(`ed25519:${key.public_key}`) : null;
  }

  function tell(text, bad = false) {
    replace(told, text && h("p", { class: bad ? "note note-bad" : "note note-good" }, text));
  }

  function draw() {
    drawOwn();
    drawCodes();
    drawList();
    drawDraft();
  }

  function drawOwn() {
    const title = h("h2", { id: "own-title" }, t("keys.own"));
    if (!known.supported) {
      return replace(own, title, h("div", { class: "note note-bad" }, h("strong", null, t("key.unsupported")), h("p", null, t("key.unsupported.text"))));
    }
    if (!known.own) {
      const make = async () => {
        await makeKey("list", held().session.user);
        load();
      };
      const button = h("button", { type: "button", class: "button", onclick: make, "data-focus": "make-own" }, t("keys.own.make"));
      return replace(own, title, h("p", null, t("keys.own.none")), button);
    }
    const line = `ed25519:${known.own.public_key}`;
    const trusted = isTrusted(known.own);
    replace(
      own,
      title,
      trusted !== null && h("p", { class: trusted ? "note note-good" : "note" }, t(trusted ? "keys.own.trusted" : "keys.own.untrusted")),
      h("p", { class: "quiet" }, t("keys.own.text")),
      h("div", { class: "code-line" }, h("code", { class: "public-key" }, line), copyButton(line)),
    );
  }

  function drawCodes() {
    const id = freshId("user"), hint = freshId("hint");
    const user = h("input", { id, type: "text", autocomplete: "off", autocapitalize: "none", spellcheck: "false", maxlength: "64", required: true, "aria-describedby": hint, "data-focus": "code-user" });
    const made = h("div", { role: "status" });
    const submit = async (event) => {
      event.preventDefault();
      try {
        const { code, expires_at: until } = await api.enrolmentCode(user.value.trim());
        replace(
          made,
          h("p", { class: "note note-good" }, t("keys.codes.made", { user: user.value.trim(), time: moment(until) })),
          h("div", { class: "code-line" }, h("code", { class: "large-code" }, code), copyButton(code)),
        );
        known.codes = [...known.codes.filter((it) => it.user !== user.value.trim()), { user: user.value.trim(), expires_at: until }];
        user.value = "";
        drawOpen();
      } catch (error) {
        if (error.status !== 401) replace(made, h("p", { class: "note note-bad" }, errorText(error)));
      }
    };
    const open = h("div");
    const drawOpen = () => {
      const lines = known.codes.map((code) => h("li", null, h("strong", null, code.user), " ", t("keys.codes.until", { time: moment(code.expires_at) })));
      replace(open, lines.length ? h("ul", { class: "plain-list" }, lines) : h("p", { class: "quiet" }, t("keys.codes.none")));
    };
    drawOpen();
    replace(
      codes,
      h("h2", { id: "codes-title" }, t("keys.codes")),
      h("p", { class: "quiet", id: hint }, t("keys.codes.lead")),
      h(
        "form",
        { onsubmit: submit },
        h("div", { class: "field" }, h("label", { for: id }, t("keys.codes.user")), user),
        h("div", { class: "actions" }, h("button", { type: "submit", class: "button" }, t("keys.codes.make"))),
      ),
      made,
      h("h3", null, t("keys.codes.open")),
      open,
    );
  }

  /** Where a key stands: on the published list, on the next one, or on both. */
  function standing(key) {
    const before = known.list?.keys?.find((it) => it.key_id === key.key_id);
    const after = known.draft?.keys?.find((it) => it.key_id === key.key_id);
    if (before?.revoked_at) return "revoked";
    if (before) return after?.revoked_at ? GOING : "listed";
    return key.revoked_at ? "revoked" : NEW;
  }

  function drawList() {
    const title = h("h2", { id: "keys-title" }, t("keys.list"));
    if (!known.keys.length) return replace(list, title, h("p", { class: "quiet" }, t("keys.list.none")));
    const heads = ["user", "id", "enrolled", "state"].map((name) => h("th", { scope: "col" }, t(`keys.${name}`)));
    const rows = known.keys.map((key) => {
      const state = standing(key);
      const words = { id: key.key_id, user: key.by };
      const revoke = async () => {
        if (!(await sure(t("keys.revoke.sure", words), t("keys.revoke")))) return;
        try {
          await api.revoke(key.key_id);
          await load();
        } catch (error) {
          if (error.status !== 401) tell(errorText(error), true);
        }
      };
      const button = h("button", { type: "button", class: "button quiet-button bad-button", "aria-label": t("keys.revoke.of", words), onclick: revoke }, t("keys.revoke"));
      return h(
        "tr",
        null,
        h("th", { scope: "row" }, key.by),
        h("td", null, h("code", null, grouped(key.key_id))),
        h("td", null, moment(key.enrolled_at)),
        h("td", null, h("span", { class: `key-state key-${state}` }, t(`keys.state.${state}`))),
        h("td", null, state === "listed" || state === NEW ? button : null),
      );
    });
    const inner = h("table", { class: "small" }, h("thead", null, h("tr", null, heads, h("td", null))), h("tbody", null, rows));
    replace(list, title, h("div", { class: "scroll", tabindex: "0", role: "region", "aria-labelledby": "keys-title" }, inner));
  }

  function drawDraft() {
    const title = h("h2", { id: "draft-title" }, t("keys.draft"));
    const next = known.draft?.keys ?? [], before = known.list?.keys ?? [];
    const was = (key) => before.find((it) => it.key_id === key.key_id);
    const line = (name, key) => h("li", null, t(`keys.draft.${name}`, { user: key.by, id: grouped(key.key_id) }));
    const changes = [
      ...next.filter((key) => !was(key) && !key.revoked_at).map((key) => line("added", key)),
      ...next.filter((key) => key.revoked_at && !was(key)?.revoked_at).map((key) => line("revoked", key)),
    ];
    if (!changes.length) {
      const text = known.list ? t("keys.draft.same", { counter: known.list.counter ?? known.counter }) : t("keys.draft.first");
      return replace(draft, title, h("p", { class: "quiet" }, text));
    }
    const trouble = h("p", { class: "field-error", role: "alert" });
    const publish = async () => {
      trouble.textContent = "";
      button.disabled = true;
      try {
        // Signed is what is shown, and nothing that came since.
        await api.publishList(await sign(known.own, known.draft));
        tell(t("keys.draft.done"));
        await load();
      } catch (error) {
        button.disabled = false;
        if (error.status === 401) return;
        const text = errorText(error, LIST_ERRORS);
        trouble.textContent = text;
        // What was shown is no longer what there is to sign.
        if (error.code === "old-counter" || error.code === "other-keys") {
          await load();
          tell(text, true);
        }
      }
    };
    const button = h("button", { type: "button", class: "button", onclick: publish, disabled: !known.own, "data-focus": "publish" }, t("keys.draft.sign"));
    const text = h("pre", { class: "signed-text", tabindex: "0", lang: "en", role: "region", "aria-label": t("keys.draft.text") }, signedText(known.draft));
    replace(
      draft,
      title,
      h("p", null, t("keys.draft.changes", { counter: known.draft.counter })),
      h("ul", { class: "plain-list" }, changes),
      h("p", { class: "note" }, t("keys.draft.check")),
      h("details", { class: "more" }, h("summary", null, t("keys.draft.text")), text),
      known.own ? null : h("p", { class: "quiet" }, t("keys.draft.no-key")),
      trouble,
      h("div", { class: "actions" }, button),
    );
  }

  load();
  return { root, title: () => t("keys.title"), changed() {}, end: () => (over = true) };
}

function copyButton(text) {
  const button = h("button", { type: "button", class: "button quiet-button", onclick: () => copy() }, t("copy"));
  async function copy() {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = t("copied");
    } catch {
      // The text stands beside the button.
    }
  }
  return button;
}

/** Asks before what cannot be taken back. */
function sure(question, yes) {
  return new Promise((resolve) => {
    const titleId = freshId("title");
    const answer = (value) => {
      dialog.close();
      resolve(value);
    };
    const dialog = h(
      "dialog",
      { class: "dialog", "aria-labelledby": titleId, onclose: () => (dialog.remove(), resolve(false)) },
      h("h2", { id: titleId }, yes),
      h("p", null, question),
      h(
        "div",
        { class: "actions" },
        h("button", { type: "button", class: "button bad-button", onclick: () => answer(true) }, yes),
        h("button", { type: "button", class: "button quiet-button", onclick: () => answer(false) }, t("cancel")),
      ),
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}
