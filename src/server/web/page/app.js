// The page: which conversation is shown, what is asked, and what happens meanwhile.
import * as api from "./api.js";
import {ConversationView} from "./conversation_view.js";
import {element, find} from "./dom.js";
import {Models} from "./models.js";
import {Panel} from "./panel.js";
import {Settings} from "./settings.js";
import * as store from "./store.js";

const SAVE_INTERVAL = 1000;  // ms, while an answer grows
const SAMPLE_INTERVAL = 250;
const POLL_BUSY = 1000;
const POLL_IDLE = 5000;

class App {
  constructor() {
    this.panel = new Panel();
    this.settings = new Settings(() => this.refresh());
    this.models = new Models(() => this.refresh());
    this.view = new ConversationView(find("log"), find("scroller"), {
      edit: (index) => this.edit(index),
      again: (index) => this.again(index),
    });
    this.input = find("input");
    this.answering = null;  // the AbortController of the answer under way
    this.connectComposer();
    this.connectControls();
    store.watch(() => this.showList());
    this.open(store.conversations()[0] ?? store.newConversation());
    this.poll();
  }

  // --- what is shown

  open(conversation) {
    this.stop();
    this.conversation = conversation;
    this.view.show(conversation);
    this.showTimings();
    this.showList();
    this.showEmpty();
    this.closeDrawers();
  }

  showList() {
    const list = store.conversations();
    find("conversations").replaceChildren(...list.map((conversation) => {
      const isCurrent = conversation.id === this.conversation.id;
      const title = conversation.title || "Empty conversation";
      return element("li", {},
        element("button", {type: "button", class: "open", "aria-current": isCurrent ? "true" : null, title,
          onclick: () => this.open(conversation)}, title),
        element("button", {type: "button", class: "quiet icon", "aria-label": `Delete: ${title}`, title: "Delete",
          onclick: () => this.delete(conversation)}, "×"));
    }));
    find("no-conversations").hidden = list.length > 0;
  }

  showEmpty() {
    find("welcome").hidden = this.conversation.messages.length > 0;
  }

  say(text) {
    find("status").textContent = text;
  }

  warn(text) {
    find("warning").textContent = text;
    find("warning").hidden = !text;
  }

  // --- what is kept

  keep(conversation) {
    if (conversation === this.deleted) return;  // its last answer ended after it
    conversation.changed = Date.now();
    const saved = store.save(conversation);
    this.warn(saved ? "" : "This browser has no room left for conversations; delete some to keep this one.");
  }

  delete(conversation) {
    if (!confirm(`Delete “${conversation.title || "Empty conversation"}”?`)) return;
    const isCurrent = conversation.id === this.conversation.id;
    if (isCurrent) {
      this.deleted = this.conversation;
      this.stop();
    }
    store.remove(conversation.id);
    if (isCurrent) this.open(store.conversations()[0] ?? store.newConversation());
    else this.showList();
  }

  startNew() {
    this.open(store.newConversation());
    this.input.focus();
  }

  // --- asking

  send() {
    const text = this.input.value.trim();
    if (!text || this.answering) return;
    this.input.value = "";
    this.resizeInput();
    const message = {role: "user", content: text};
    this.conversation.messages.push(message);
    this.view.add(message);
    this.showEmpty();
    this.answer();
  }

  edit(index) {
    if (this.answering) return;
    this.input.value = this.conversation.messages[index].content;
    this.cut(index);
    this.resizeInput();
    this.input.focus();
  }

  again(index) {
    if (this.answering) return;
    this.cut(index);
    this.answer();
  }

  cut(index) {
    this.conversation.messages.length = index;
    this.view.show(this.conversation);
    this.showEmpty();
  }

  requestBody() {
    const {system} = this.settings.values;
    const said = this.conversation.messages.filter((m) => m.role === "user" || m.content)
      .map(({role, content}) => ({role, content}));
    const messages = system ? [{role: "system", content: system}, ...said] : said;
    return {model: this.models.chosen?.id, messages, ...this.settings.request};
  }

  // The conversation may be left meanwhile: its answer then ends, and is kept as far as it came.
  async answer() {
    const {conversation} = this;
    const body = this.requestBody();
    const message = {role: "assistant", content: ""};
    conversation.messages.push(message);
    this.view.add(message);
    this.keep(conversation);
    this.showList();
    const controller = this.answering = new AbortController();
    this.showAnswering(true);
    try {
      await this.read(api.chat(body, this.settings.values.apiKey, controller.signal), conversation, message);
      this.say("The answer is complete.");
    } catch (error) {
      this.fail(message, error, controller);
    }
    this.keep(conversation);
    this.view.finish(message);
    this.showList();
    if (this.answering !== controller) return;  // stopped, and perhaps another one is under way
    this.answering = null;
    this.showTimings();
    this.showAnswering(false);
    this.refresh();
  }

  async read(chunks, conversation, message) {
    let pieces = 0;  // about a token each; since `sampled`
    let sampled = 0;
    let saved = performance.now();
    for await (const chunk of chunks) {
      const choice = chunk.choices[0];
      if (choice?.finish_reason) message.finish = choice.finish_reason;
      if (chunk.timings) message.timings = chunk.timings;
      const {content, reasoning_content: reasoning} = choice?.delta ?? {};
      if (!content && !reasoning) continue;
      if (content) message.content += content;
      if (reasoning) message.reasoning = (message.reasoning ?? "") + reasoning;
      const now = performance.now();
      sampled ||= now;
      if (now - sampled > SAMPLE_INTERVAL) {
        this.panel.speed(pieces / ((now - sampled) / 1000));
        sampled = now;
        pieces = 0;
      }
      pieces++;
      this.view.grow(message);
      if (now - saved > SAVE_INTERVAL) {
        this.keep(conversation);
        saved = now;
      }
    }
  }

  fail(message, error, controller) {
    if (controller.signal.aborted) {
      message.finish = "stopped";
      this.say("Stopped.");
      return;
    }
    message.error = error instanceof api.ApiError ? error.message : `The server cannot be reached (${error.message}).`;
    if (error.status === 401) this.settings.open("This server needs an API key, or another one.");
  }

  stop() {
    if (!this.answering) return;
    this.answering.abort();
    this.answering = null;
    this.showAnswering(false);
  }

  showAnswering(isAnswering) {
    document.body.classList.toggle("answering", isAnswering);
    find("send").hidden = isAnswering;
    find("stop").hidden = !isAnswering;
    find("log").setAttribute("aria-busy", String(isAnswering));
    if (isAnswering) this.say("An answer is being written. Escape stops it.");
  }

  showTimings() {
    this.panel.answer(this.conversation.messages.findLast((m) => m.timings));
  }

  // --- the server

  async refresh() {
    try {
      this.models.update(await api.models(this.settings.values.apiKey));
      await this.showModel();
      if (!this.answering) this.showTimings();
      this.connection("");
    } catch (error) {
      this.connection(error.status === 401 ? "An API key is needed (Settings)." : "The server cannot be reached.");
      if (error.status === 401 && !this.askedForKey) {
        this.askedForKey = true;
        this.settings.open("This server needs an API key.");
      }
    }
  }

  async showModel() {
    const model = this.models.chosen;
    if (model?.isLoaded) {
      const properties = await api.properties(this.settings.values.apiKey, model.id);
      this.panel.update(properties);
      this.settings.describe(properties);
    } else {
      this.panel.waiting(model?.id ?? "no model");
    }
    const note = model ? `${model.id} is loaded by the first question to it, which takes a moment.`
      : "This server has no model: put GGUF files into its folder.";
    find("loading-note").textContent = note;
    find("loading-note").hidden = Boolean(model?.isLoaded);
  }

  connection(problem) {
    find("connection").textContent = problem;
    find("connection").hidden = !problem;
  }

  async poll() {
    if (!document.hidden) await this.refresh();
    setTimeout(() => this.poll(), this.answering ? POLL_BUSY : POLL_IDLE);
  }

  // --- keys and buttons

  connectComposer() {
    find("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    this.input.addEventListener("keydown", (event) => {
      // Enter also ends a word that an input method is composing.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.send();
    });
    this.input.addEventListener("input", () => this.resizeInput());
    for (const button of document.querySelectorAll(".suggestion")) {
      button.addEventListener("click", () => {
        this.input.value = button.textContent;
        this.send();
      });
    }
  }

  resizeInput() {
    this.input.style.height = "auto";
    this.input.style.height = `${Math.min(this.input.scrollHeight, innerHeight * 0.4)}px`;
  }

  connectControls() {
    find("stop").addEventListener("click", () => {
      this.stop();
      this.input.focus();
    });
    find("new").addEventListener("click", () => this.startNew());
    find("open-settings").addEventListener("click", () => this.settings.open());
    this.connectDrawer("list", find("toggle-list"), find("list"));
    this.connectDrawer("panel", find("toggle-panel"), find("panel"));
    find("backdrop").addEventListener("click", () => this.closeDrawers());
    for (const button of document.querySelectorAll(".close-drawer")) button.addEventListener("click", () => this.closeDrawers());
    const theme = find("theme");
    theme.value = store.theme();
    theme.addEventListener("change", () => store.saveTheme(theme.value));
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || find("settings").open) return;
      if (this.answering) this.stop();
      else this.closeDrawers();
    });
  }

  // Beside the conversation where there is room, over it on a phone.
  connectDrawer(name, button, drawer) {
    button.addEventListener("click", () => {
      const isOpen = document.body.classList.toggle(`shows-${name}`);
      button.setAttribute("aria-expanded", String(isOpen));
      if (isOpen) drawer.querySelector("button, [tabindex]")?.focus();
    });
  }

  closeDrawers() {
    for (const name of ["list", "panel"]) {
      const toggle = find(`toggle-${name}`);
      const wasOpen = document.body.classList.contains(`shows-${name}`);
      document.body.classList.remove(`shows-${name}`);
      toggle.setAttribute("aria-expanded", "false");
      if (wasOpen) toggle.focus();
    }
  }
}

new App();
