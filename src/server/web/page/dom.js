// Building elements. Text only ever becomes text nodes: nothing on this page is parsed as HTML.

/** element("button", {class: "x", type: "button", onclick: f}, "Text", child): properties starting with "on" are listeners. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export const find = (id) => document.getElementById(id);

/** Copies text; `button` says for a moment whether it worked. */
export async function copy(text, button) {
  const label = button.dataset.label ??= button.textContent;
  try {
    await writeClipboard(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Could not copy";
  }
  setTimeout(() => { button.textContent = label; }, 1500);
}

// navigator.clipboard is there only on https and localhost.
async function writeClipboard(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = element("textarea", {"aria-hidden": "true", class: "visually-hidden"});
  area.value = text;
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  if (!copied) throw new Error("refused");
}
