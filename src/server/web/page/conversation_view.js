// A conversation on the screen: its messages, one of which may still be growing.
import {copy, element} from "./dom.js";
import {MarkdownView} from "./markdown.js";

const NEAR_END = 80;  // pixels: whoever reads further up is not pulled down

/** What an answer cost, in words. */
function summary(message) {
  const t = message.timings;
  const parts = [];
  if (t?.predicted_n) parts.push(`${t.predicted_n} tokens`, `${t.predicted_per_second.toFixed(1)} tokens/s`);
  if (t?.cache_n) parts.push(`${t.cache_n} of ${t.cache_n + t.prompt_n} prompt tokens from the cache`);
  if (message.finish === "length") parts.push("cut off: no room or limit reached");
  if (message.finish === "stopped") parts.push("stopped");
  return parts.join(" · ");
}

class MessageView {
  constructor(message, index, actions) {
    this.message = message;
    const isUser = message.role === "user";
    this.body = element("div", {class: isUser ? "text" : "markdown"});
    this.meta = element("span", {class: "meta"});
    this.error = element("p", {class: "error", role: "alert", hidden: true});
    const copyButton = element("button", {type: "button", class: "quiet", onclick: () => copy(message.content, copyButton)}, "Copy");
    const again = isUser
      ? element("button", {type: "button", class: "quiet", onclick: () => actions.edit(index)}, "Edit")
      : element("button", {type: "button", class: "quiet again", onclick: () => actions.again(index)}, "Again");
    this.footer = element("div", {class: "message-footer"}, copyButton, again, this.meta);
    this.node = element("article", {class: `message ${message.role}`, "aria-label": isUser ? "You" : "Answer"},
      this.body, this.error, this.footer);
    this.markdown = isUser ? null : new MarkdownView(this.body);
  }

  update(isGrowing) {
    const {message} = this;
    if (this.markdown) {
      this.markdown.update(message.content);
      this.updateReasoning(isGrowing);
    } else {
      this.body.textContent = message.content;
    }
    this.node.classList.toggle("growing", isGrowing);
    this.node.classList.toggle("empty", !message.content);
    this.node.setAttribute("aria-busy", String(isGrowing));
    this.footer.hidden = isGrowing;
    this.error.hidden = !message.error;
    this.error.textContent = message.error ?? "";
    this.meta.textContent = summary(message);
  }

  updateReasoning(isGrowing) {
    if (!this.message.reasoning) return;
    if (!this.reasoning) {
      this.reasoningText = element("div", {class: "text"});
      this.reasoningLabel = element("summary");
      this.reasoning = element("details", {class: "reasoning"}, this.reasoningLabel, this.reasoningText);
      this.node.prepend(this.reasoning);
    }
    this.reasoningText.textContent = this.message.reasoning;
    this.reasoningLabel.textContent = isGrowing && !this.message.content ? "Thinking…" : "Thoughts";
  }
}

export class ConversationView {
  /** `actions`: edit(index) and again(index) of a message. */
  constructor(log, scroller, actions) {
    this.log = log;
    this.scroller = scroller;
    this.actions = actions;
    this.views = [];
    this.frame = 0;
  }

  show(conversation) {
    this.views = conversation.messages.map((message, i) => new MessageView(message, i, this.actions));
    for (const view of this.views) view.update(false);
    this.log.replaceChildren(...this.views.map((view) => view.node));
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  add(message) {
    const view = new MessageView(message, this.views.length, this.actions);
    view.update(message.role === "assistant");
    this.views.push(view);
    this.log.append(view.node);
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  /** Draws a message that became longer, at most once a frame. */
  grow(message) {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.draw(message, true);
    });
  }

  finish(message) {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    this.draw(message, false);
  }

  // A message of another conversation is not drawn.
  draw(message, isGrowing) {
    const s = this.scroller;
    const follows = s.scrollHeight - s.scrollTop - s.clientHeight < NEAR_END;
    this.views.find((view) => view.message === message)?.update(isGrowing);
    if (follows) s.scrollTop = s.scrollHeight;
  }
}
