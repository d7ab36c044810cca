// What this browser keeps: conversations (an entry each, so that two tabs do not overwrite each other) and settings.

const PREFIX = "turboquant.chat.";
const SETTINGS = "turboquant.settings";

function read(key) {
  try {
    return JSON.parse(localStorage.getItem(key));
  } catch {
    return null;  // written by something else
  }
}

const isConversation = (value) => value && typeof value.id === "string" && Array.isArray(value.messages);

export function newConversation() {
  const id = Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  return {id, title: "", changed: Date.now(), messages: []};
}

/** All that are kept, the one used last first. */
export function conversations() {
  return Object.keys(localStorage)
    .filter((key) => key.startsWith(PREFIX))
    .map(read)
    .filter(isConversation)
    .sort((a, b) => b.changed - a.changed);
}

/** False when the browser has no room left. */
export function save(conversation) {
  const first = conversation.messages.find((message) => message.role === "user");
  conversation.title = (first?.content ?? "").trim().split("\n")[0].slice(0, 80);
  try {
    localStorage.setItem(PREFIX + conversation.id, JSON.stringify(conversation));
    return true;
  } catch {
    return false;
  }
}

export const remove = (id) => localStorage.removeItem(PREFIX + id);

/** Calls `changed` when another tab changed a conversation. */
export function watch(changed) {
  addEventListener("storage", (event) => {
    if (event.key === null || event.key.startsWith(PREFIX)) changed();
  });
}

/** {apiKey, system, parameters: {temperature: 0.7, ...}} */
export function settings() {
  return {apiKey: "", system: "", parameters: {}, ...read(SETTINGS)};
}

export const saveSettings = (values) => localStorage.setItem(SETTINGS, JSON.stringify(values));

/** The name of the model that was chosen; empty: none. */
export const model = () => localStorage.getItem("turboquant.model") ?? "";

export const saveModel = (name) => localStorage.setItem("turboquant.model", name);

export function theme() {
  return localStorage.getItem("turboquant.theme") || "auto";
}

export function saveTheme(value) {
  localStorage.setItem("turboquant.theme", value);
  document.documentElement.dataset.theme = value;
}
