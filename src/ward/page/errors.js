// What went wrong, in the reader's words.

import { has, t } from "./text.js";

/** Words for an error of a call; `own` maps codes to keys of this view. */
export function errorText(error, own = {}) {
  const key = own[error.code] ?? own[`http-${error.status}`];
  if (key) return t(key);
  if (has(`refused.${error.code}`)) return t(`refused.${error.code}`);
  if (error.code === "unreachable") return t("error.unreachable");
  if (error.status === 403) return t("error.forbidden");
  return t("error.other", { text: error.text || error.code || error.message });
}
