// The settings dialog: how answers are sampled, the system prompt, the key and the colours. Empty fields leave the choice
// to the server, whose own values stand in them in grey.
import {element, find} from "./dom.js";
import * as store from "./store.js";

// [name in the API, label, step, hint]
const MAIN = [
  ["temperature", "Temperature", "0.05", "higher: more varied; 0: always the likeliest"],
  ["top_p", "Top p", "0.01", "likeliest tokens of this total probability"],
  ["top_k", "Top k", "1", "so many likeliest tokens; 0: all"],
  ["min_p", "Min p", "0.01", "at least this share of the likeliest one"],
  ["max_tokens", "Longest answer", "1", "tokens"],
  ["seed", "Seed", "1", "same seed, same answer"],
];
const MORE = [
  ["repeat_penalty", "Repeat penalty", "0.01", "1: none"],
  ["repeat_last_n", "Repeat window", "1", "tokens looked back at"],
  ["presence_penalty", "Presence penalty", "0.1", "-2 to 2"],
  ["frequency_penalty", "Frequency penalty", "0.1", "-2 to 2"],
  ["typical_p", "Typical p", "0.01", "1: off"],
  ["top_n_sigma", "Top n sigma", "0.1", "-1: off"],
  ["xtc_probability", "XTC probability", "0.05", "0: off"],
  ["xtc_threshold", "XTC threshold", "0.05", ""],
  ["dry_multiplier", "DRY multiplier", "0.1", "0: off"],
  ["dry_base", "DRY base", "0.05", ""],
  ["dry_allowed_length", "DRY length", "1", "repeats that are fine"],
  ["dynatemp_range", "Dynamic temperature", "0.05", "0: off"],
  ["mirostat", "Mirostat", "1", "0: off, 2: on"],
  ["mirostat_tau", "Mirostat tau", "0.1", ""],
  ["mirostat_eta", "Mirostat eta", "0.01", ""],
];

function field([name, label, step, hint]) {
  const id = `setting-${name}`;
  return element("div", {class: "field"},
    element("label", {for: id}, label),
    element("input", {id, name, type: "number", step: "any", "data-step": step, inputmode: "decimal",
      "aria-describedby": hint && `${id}-hint`}),
    hint ? element("small", {id: `${id}-hint`}, hint) : null);
}

export class Settings {
  /** `changed` is called after the dialog closed with other values. */
  constructor(changed) {
    this.changed = changed;
    this.dialog = find("settings");
    this.form = find("settings-form");
    find("sampling-main").append(...MAIN.map(field));
    find("sampling-more").append(...MORE.map(field));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.save();
    });
    find("settings-reset").addEventListener("click", () => this.fill({parameters: {}, system: "", apiKey: this.values.apiKey}));
    for (const button of this.dialog.querySelectorAll("[data-close]")) {
      button.addEventListener("click", () => this.dialog.close());
    }
    this.dialog.addEventListener("click", (event) => {
      if (event.target === this.dialog) this.dialog.close();  // beside it
    });
  }

  get values() {
    return store.settings();
  }

  /** The fields of a request. */
  get request() {
    const {parameters, thinking} = this.values;
    return thinking ? {...parameters, chat_template_kwargs: {enable_thinking: thinking === "on"}} : parameters;
  }

  /** The server's own values, and what its model knows. */
  describe(properties) {
    const defaults = properties.default_generation_settings.params;
    for (const [name] of [...MAIN, ...MORE]) {
      const value = defaults[name];
      const shown = typeof value === "number" ? String(Number(value.toPrecision(6))) : "";
      find(`setting-${name}`).placeholder = {seed: "random", max_tokens: "no limit"}[name] ?? shown;
    }
    find("thinking-field").hidden = !properties.chat_template.includes("enable_thinking");
    find("setting-cache").textContent = properties.cache_type;
  }

  open(message = "") {
    this.fill(this.values);
    find("settings-message").textContent = message;
    find("settings-message").hidden = !message;
    this.dialog.showModal();
    if (message) find("setting-key").focus();
  }

  fill(values) {
    for (const [name] of [...MAIN, ...MORE]) find(`setting-${name}`).value = values.parameters[name] ?? "";
    find("setting-system").value = values.system;
    find("setting-key").value = values.apiKey;
    find("setting-thinking").value = values.thinking ?? "";
  }

  save() {
    const parameters = {};
    for (const [name] of [...MAIN, ...MORE]) {
      const value = find(`setting-${name}`).valueAsNumber;
      if (Number.isFinite(value)) parameters[name] = value;
    }
    store.saveSettings({
      parameters,
      system: find("setting-system").value.trim(),
      apiKey: find("setting-key").value.trim(),
      thinking: find("setting-thinking").value,
    });
    this.dialog.close();
    this.changed();
  }
}
