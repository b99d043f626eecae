// Chooses the table of texts: by the switch, else by the browser's languages.
import en from "./en.js";
import ru from "./ru.js";

export const tables = { en, ru };
const key = "syncd-language";

function chosen() {
  let kept = null;
  try { kept = localStorage.getItem(key); } catch { /* storage is closed to this page: the browser's languages hold */ }
  const wanted = [kept, ...(navigator.languages ?? [])].map((tag) => String(tag).split("-")[0]);
  return wanted.find((tag) => Object.hasOwn(tables, tag)) ?? "en";
}

export const language = chosen();
export const w = tables[language];
export const others = Object.keys(tables).filter((tag) => tag !== language);

// choose keeps a language and shows the page in it.
export function choose(tag) {
  try { localStorage.setItem(key, tag); } catch { return; }
  location.reload();
}

// say fills a text in.
export const say = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);

// named is the text for a word that came from outside; the word itself if there is none.
export const named = (table, word) => (Object.hasOwn(table, word) ? table[word] : String(word));

// told is a finding's summary or remedy in the page's language; as syncd says it if the
// table has no such finding.
export const told = (name, part) => (Object.hasOwn(w.findings, name) ? w.findings[name][part] : undefined);

const rules = new Intl.PluralRules(language);
export const form = (n, unit) => {
  const forms = Object.hasOwn(w.units, unit) ? w.units[unit] : { one: unit, other: unit };
  return forms[rules.select(Number(n))] ?? forms.other;
};
export const manyOf = (unit) => (Object.hasOwn(w.units, unit) ? w.units[unit].other : String(unit));

// fill puts the texts of the table into the page.
export function fill(root = document) {
  document.documentElement.lang = language;
  for (const el of root.querySelectorAll("[data-t]")) el.textContent = w.page[el.dataset.t];
  for (const el of root.querySelectorAll("[data-t-label]")) el.setAttribute("aria-label", w.page[el.dataset.tLabel]);
}
