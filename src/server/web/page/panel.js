// The live panel: speed, cache memory beside f16, how full the context is, and what the prompt cache saved.
import {find} from "./dom.js";

const SAMPLES = 60;
const SVG_WIDTH = 240;
const SVG_HEIGHT = 40;

function bytes(n) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (n >= 1024 && unit < units.length - 1) {
    n /= 1024;
    unit++;
  }
  return `${n.toFixed(unit && n < 100 ? 1 : 0)} ${units[unit]}`;
}

const count = (n) => n.toLocaleString("en");

function setMeter(id, part, whole, label) {
  const meter = find(id);
  const percent = whole > 0 ? Math.min(100, (100 * part) / whole) : 0;
  meter.setAttribute("aria-valuenow", percent.toFixed(0));
  meter.setAttribute("aria-valuetext", label);
  meter.firstElementChild.style.width = `${percent}%`;
}

export class Panel {
  constructor() {
    this.samples = [];
  }

  /** /props */
  update(properties) {
    const {cache, default_generation_settings: defaults} = properties;
    this.contextSize = defaults.n_ctx;
    find("model-name").textContent = properties.model_alias;
    find("cache-type").textContent = properties.cache_type;
    find("build").textContent = properties.build_info;
    const saved = cache.bytes > 0 ? cache.bytes_f16 / cache.bytes : 0;
    find("cache-now").textContent = bytes(cache.bytes);
    find("cache-f16").textContent = bytes(cache.bytes_f16);
    find("cache-ratio").textContent = saved ? `${saved.toFixed(1)}× smaller` : "empty";
    setMeter("cache-meter", cache.bytes, cache.bytes_f16, `${bytes(cache.bytes)} instead of ${bytes(cache.bytes_f16)}`);
    const prompts = cache.hit_tokens + cache.computed_tokens;
    find("hits-total").textContent = prompts
      ? `${count(cache.hit_tokens)} of ${count(prompts)} prompt tokens since the start` : "no prompt yet";
    find("slots").textContent = `${properties.busy_slots} of ${properties.total_slots} busy` +
      (properties.queued ? `, ${properties.queued} waiting` : "");
  }

  /** Of a model that has no figures yet. */
  waiting(name) {
    this.contextSize = 0;
    find("model-name").textContent = name;
    find("cache-type").textContent = "not loaded yet";
    for (const id of ["cache-now", "cache-f16", "slots"]) find(id).textContent = "–";
    for (const id of ["cache-ratio", "hits-total"]) find(id).textContent = "";
    setMeter("cache-meter", 0, 0, "nothing yet");
  }

  /** While an answer is written. */
  speed(tokensPerSecond) {
    find("speed").textContent = tokensPerSecond ? tokensPerSecond.toFixed(1) : "–";
    if (!tokensPerSecond) return;
    this.samples = [...this.samples, tokensPerSecond].slice(-SAMPLES);
    const most = Math.max(...this.samples);
    const points = this.samples.map((value, i) => {
      const x = (i / Math.max(this.samples.length - 1, 1)) * SVG_WIDTH;
      const y = SVG_HEIGHT - 2 - (value / most) * (SVG_HEIGHT - 4);
      return `${x.toFixed(1)},${y.toFixed(1)}`;
    });
    find("speed-line").setAttribute("points", points.length > 1 ? points.join(" ") : "");
  }

  /** What the last answer said about itself; null: there is none. */
  answer(message) {
    const t = message?.timings;
    const prompt = t ? t.cache_n + t.prompt_n : 0;
    const used = t ? prompt + t.predicted_n : 0;
    find("hits").textContent = t ? `${count(t.cache_n)} of ${count(prompt)}` : "–";
    setMeter("hits-meter", t?.cache_n ?? 0, prompt, t ? `${t.cache_n} of ${prompt} tokens` : "nothing yet");
    this.context(used);
    find("speed").textContent = t?.predicted_n ? t.predicted_per_second.toFixed(1) : "–";
  }

  context(used) {
    const size = this.contextSize ?? 0;
    find("context").textContent = size ? `${count(used)} of ${count(size)}` : "–";
    setMeter("context-meter", used, size, `${used} of ${size} tokens`);
    find("context-meter").classList.toggle("nearly-full", size > 0 && used > 0.9 * size);
  }
}
