// Markdown as models write it, to DOM nodes. The text of a model is data: it becomes text nodes, a link only where its
// address is http, https or mailto, and never an image that would be loaded. What is no Markdown stays as it is.
import {copy, element} from "./dom.js";

const MAX_DEPTH = 12;  // of blocks in blocks, and of emphasis in emphasis; deeper text stays plain

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([^`\s]*)[^`]*$/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*)$/;
const RULE = /^ {0,3}(?:(?:-\s*){3,}|(?:\*\s*){3,}|(?:_\s*){3,})$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( *)([-*+]|\d{1,9}[.)])(?:( +)(.*)|$)/;
const TABLE_LINE = /^ {0,3}\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$/;

// --- blocks: lines -> [{type, source, ...}]

// Tabs that indent count as four spaces, except in code.
function linesOf(text) {
  let isCode = false;
  return text.replaceAll("\r\n", "\n").split("\n").map((line) => {
    const isFence = /^\s*(?:`{3,}|~{3,})/.test(line);
    isCode = isFence ? !isCode : isCode;
    return isCode && !isFence ? line : line.replace(/^[ \t]+/, (indent) => indent.replaceAll("\t", "    "));
  });
}

function parseBlocks(lines, depth) {
  const blocks = [];
  let at = 0;
  while (at < lines.length) {
    if (!lines[at].trim()) {
      at++;
      continue;
    }
    const block = readBlock(lines, at, depth);
    block.source = lines.slice(at, block.end).join("\n");
    blocks.push(block);
    at = block.end;
  }
  return blocks;
}

function readBlock(lines, at, depth) {
  const line = lines[at];
  if (FENCE.test(line)) return readCode(lines, at);
  const heading = HEADING.exec(line);
  if (heading) return {type: "heading", level: heading[1].length, text: heading[2].trim().replace(/ #+$/, ""), end: at + 1};
  if (RULE.test(line)) return {type: "rule", end: at + 1};
  if (depth < MAX_DEPTH && QUOTE.test(line)) return readQuote(lines, at, depth);
  if (depth < MAX_DEPTH && ITEM.test(line)) return readList(lines, at, depth);
  if (startsTable(lines, at)) return readTable(lines, at);
  return readParagraph(lines, at, depth);
}

function readCode(lines, at) {
  const [, marks, language] = FENCE.exec(lines[at]);
  const isEnd = (line) => line.trim().startsWith(marks) && !line.trim().replaceAll(marks[0], "");
  let end = at + 1;
  while (end < lines.length && !isEnd(lines[end])) end++;
  return {type: "code", language, text: lines.slice(at + 1, end).join("\n"), end: Math.min(end + 1, lines.length)};
}

function readQuote(lines, at, depth) {
  let end = at;
  while (end < lines.length && QUOTE.test(lines[end])) end++;
  const inner = lines.slice(at, end).map((line) => line.replace(QUOTE, ""));
  return {type: "quote", blocks: parseBlocks(inner, depth + 1), end};
}

function readList(lines, at, depth) {
  const [, , firstMark] = ITEM.exec(lines[at]);
  const isOrdered = /\d/.test(firstMark);
  const items = [];
  let end = at;
  while (end < lines.length) {
    const item = ITEM.exec(lines[end]);
    if (!item || RULE.test(lines[end]) || /\d/.test(item[2]) !== isOrdered) break;
    const next = endOfItem(lines, end, item[1].length);
    const indent = item[1].length + item[2].length + 1;
    const inner = lines.slice(end + 1, next).map((line) => removeIndent(line, indent));
    const first = (item[4] ?? "").replace(/^\[ \] /, "☐ ").replace(/^\[[xX]\] /, "☑ ");  // tasks
    items.push(parseBlocks([first, ...inner], depth + 1));
    end = next;
  }
  return {type: "list", isOrdered, start: isOrdered ? parseInt(firstMark, 10) : 1, items, end};
}

// An item goes on with lines that are indented more than its mark, also after a blank line, and with plain text below it.
function endOfItem(lines, at, indent) {
  let end = at + 1;
  for (let i = end; i < lines.length; i++) {
    const isBlank = !lines[i].trim();
    if (isBlank) continue;
    const isIndented = lines[i].length - lines[i].trimStart().length > indent;
    const isLazy = i === end && !startsBlock(lines, i);
    if (!isIndented && !isLazy) break;
    end = i + 1;
  }
  // Blank lines before the next item belong to this one.
  let next = end;
  while (next < lines.length && !lines[next].trim()) next++;
  return next < lines.length && ITEM.test(lines[next]) ? next : end;
}

function removeIndent(line, indent) {
  const own = line.length - line.trimStart().length;
  return line.slice(Math.min(own, indent));
}

function startsTable(lines, at) {
  return lines[at].includes("|") && at + 1 < lines.length && lines[at + 1].includes("-") &&
    TABLE_LINE.test(lines[at + 1]) && cells(lines[at]).length === cells(lines[at + 1]).length;
}

function readTable(lines, at) {
  let end = at + 2;
  while (end < lines.length && lines[end].trim() && lines[end].includes("|")) end++;
  const align = cells(lines[at + 1]).map((cell) => (cell.endsWith(":") ? (cell.startsWith(":") ? "center" : "right") : "left"));
  return {type: "table", head: cells(lines[at]), align, rows: lines.slice(at + 2, end).map(cells), end};
}

function cells(line) {
  const inner = line.trim().replace(/^\|/, "").replace(/(?<!\\)\|$/, "");
  return inner.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
}

function startsBlock(lines, at) {
  const line = lines[at];
  return FENCE.test(line) || HEADING.test(line) || RULE.test(line) || QUOTE.test(line) || ITEM.test(line) ||
    startsTable(lines, at);
}

function readParagraph(lines, at, depth) {
  let end = at + 1;
  while (end < lines.length && lines[end].trim() && (depth >= MAX_DEPTH || !startsBlock(lines, end))) end++;
  return {type: "paragraph", text: lines.slice(at, end).join("\n").trim(), end};
}

// --- inline: text -> nodes

const PLAIN = /[^\\`*_~[\]!<\nh]+|h(?!ttps?:)/y;
const ADDRESS = /https?:\/\/[^\s<>"'`]*[^\s<>"'`.,;:!?)\]*_~]/y;
const EMPHASIS = [["**", "strong"], ["__", "strong"], ["~~", "del"], ["*", "em"], ["_", "em"]];

function inline(text, depth = 0) {
  const nodes = [];
  const dead = new Set();  // marks without an end in the rest of the text
  let plain = "";
  let at = 0;
  const push = (node) => {
    if (plain) nodes.push(plain);
    plain = "";
    nodes.push(node);
  };
  while (at < text.length) {
    const found = depth < MAX_DEPTH && special(text, at, depth, dead);
    if (found) {
      push(found.node);
      at = found.end;
      continue;
    }
    PLAIN.lastIndex = at;
    const run = PLAIN.exec(text)?.[0] ?? text[at];
    plain += run;
    at += run.length;
  }
  if (plain) nodes.push(plain);
  return nodes;
}

// What begins at text[at] and is more than text.
function special(text, at, depth, dead) {
  switch (text[at]) {
    case "\\":
      return /[!-/:-@[-`{-~]/.test(text[at + 1] ?? "") ? {node: text[at + 1], end: at + 2} : null;
    case "\n":
      return {node: element("br"), end: at + 1};
    case "`":
      return codeSpan(text, at, dead);
    case "*": case "_": case "~":
      return emphasis(text, at, depth, dead);
    case "!":
      return text[at + 1] === "[" ? link(text, at + 1, depth, dead) : null;
    case "[":
      return link(text, at, depth, dead);
    case "<":
      return angleLink(text, at);
    case "h":
      return bareLink(text, at);
    default:
      return null;
  }
}

function codeSpan(text, at, dead) {
  const marks = /^`+/.exec(text.slice(at, at + 32))[0];
  const end = closing(text, marks, at + marks.length, dead);
  if (end < 0) return null;
  return {node: element("code", {}, text.slice(at + marks.length, end).trim()), end: end + marks.length};
}

function closing(text, mark, from, dead) {
  if (dead.has(mark)) return -1;
  const end = text.indexOf(mark, from);
  if (end < 0) dead.add(mark);
  return end;
}

function emphasis(text, at, depth, dead) {
  for (const [mark, tag] of EMPHASIS) {
    if (!text.startsWith(mark, at)) continue;
    const begin = at + mark.length;
    const isInWord = mark[0] === "_" && /[\p{L}\p{N}]/u.test(text[at - 1] ?? "");
    if (isInWord || !/\S/.test(text[begin] ?? "")) continue;
    const end = endOfEmphasis(text, mark, begin, dead);
    if (end < 0) continue;
    return {node: element(tag, {}, ...inline(text.slice(begin, end), depth + 1)), end: end + mark.length};
  }
  return null;
}

// A mark ends what it began only behind a letter, and not as part of a longer one.
function endOfEmphasis(text, mark, begin, dead) {
  for (let end = closing(text, mark, begin + 1, dead); end >= 0; end = text.indexOf(mark, end + 1)) {
    const isDouble = mark.length === 1 && (text[end + 1] === mark || text[end - 1] === mark);
    const isInWord = mark[0] === "_" && /[\p{L}\p{N}]/u.test(text[end + mark.length] ?? "");
    if (isDouble) end++;
    else if (/\S/.test(text[end - 1]) && !isInWord) return mark === "**" && text[end + 2] === "*" ? end + 1 : end;
    if (end - begin > 5000) return -1;
  }
  return -1;
}

function link(text, at, depth, dead) {
  const middle = closing(text, "](", at + 1, dead);
  if (middle < 0 || middle - at > 2000) return null;
  const match = /^\(\s*<?((?:[^\s()<>]|\([^\s()<>]*\))*)>?(?:\s+["'(][^\n]{0,200}?["')])?\s*\)/.exec(text.slice(middle + 1, middle + 2500));
  if (!match) return null;
  const label = text.slice(at + 1, middle);
  if (/[[\]]/.test(label)) return null;  // the address belongs to a later bracket
  const node = anchor(match[1], label ? inline(label, depth + 1) : [match[1]]);
  return node && {node, end: middle + 1 + match[0].length};
}

function angleLink(text, at) {
  const match = /^<((?:https?:\/\/|mailto:)[^\s<>]+)>/.exec(text.slice(at, at + 2500));
  return match && {node: anchor(match[1], [match[1]]) ?? match[1], end: at + match[0].length};
}

function bareLink(text, at) {
  if (/[\p{L}\p{N}]/u.test(text[at - 1] ?? "")) return null;
  ADDRESS.lastIndex = at;
  const address = ADDRESS.exec(text)?.[0];
  const node = address && anchor(address, [address]);
  return node ? {node, end: at + address.length} : null;
}

// Null for addresses that could do more than open a page: javascript:, data:, relative ones.
function anchor(address, children) {
  let url;
  try {
    url = new URL(address);
  } catch {
    return null;
  }
  if (!["http:", "https:", "mailto:"].includes(url.protocol)) return null;
  return element("a", {href: url.href, target: "_blank", rel: "noopener noreferrer"}, ...children);
}

// --- blocks -> nodes

function nodeOf(block) {
  switch (block.type) {
    case "code":
      return codeNode(block);
    case "heading":
      return element(`h${Math.min(block.level + 2, 6)}`, {}, ...inline(block.text));
    case "rule":
      return element("hr");
    case "quote":
      return element("blockquote", {}, ...block.blocks.map(nodeOf));
    case "list":
      return listNode(block);
    case "table":
      return tableNode(block);
    default:
      return element("p", {}, ...inline(block.text));
  }
}

function codeNode(block) {
  const code = element("code", {}, block.text);
  const button = element("button", {type: "button", class: "quiet", onclick: () => copy(code.textContent, button)}, "Copy");
  const head = element("div", {class: "code-head"}, element("span", {}, block.language || "text"), button);
  return element("div", {class: "code"}, head,
    element("pre", {tabindex: "0", "aria-label": `Code: ${block.language || "text"}`}, code));
}

function listNode(block) {
  const items = block.items.map((blocks) => {
    // A single paragraph stands in the item itself: no gap between short items.
    const isTight = blocks.length > 0 && blocks[0].type === "paragraph";
    const rest = isTight ? blocks.slice(1) : blocks;
    return element("li", {}, ...(isTight ? inline(blocks[0].text) : []), ...rest.map(nodeOf));
  });
  const start = block.isOrdered && block.start !== 1 ? {start: String(block.start)} : {};
  return element(block.isOrdered ? "ol" : "ul", start, ...items);
}

function tableNode(block) {
  const row = (tag, texts) => element("tr", {}, ...block.align.map((align, i) =>
    element(tag, {class: `align-${align}`}, ...inline(texts[i] ?? ""))));
  return element("div", {class: "table", tabindex: "0", role: "region", "aria-label": "Table"}, element("table", {},
    element("thead", {}, row("th", block.head)), element("tbody", {}, ...block.rows.map((texts) => row("td", texts)))));
}

/** Shows a text that grows: blocks that did not change keep their nodes, and with them a selection or the focus. */
export class MarkdownView {
  constructor(container) {
    this.container = container;
    this.shown = [];  // {block, node}
  }

  update(text) {
    const blocks = parseBlocks(linesOf(text), 0);
    blocks.forEach((block, i) => this.show(block, i));
    for (const {node} of this.shown.splice(blocks.length)) node.remove();
  }

  show(block, i) {
    const old = this.shown[i];
    if (old && old.block.type === block.type && old.block.source === block.source) return;
    if (old?.block.type === "code" && block.type === "code" && old.block.language === block.language) {
      old.node.querySelector("code").textContent = block.text;
      old.block = block;
      return;
    }
    const node = nodeOf(block);
    if (old) old.node.replaceWith(node);
    else this.container.append(node);
    this.shown[i] = {block, node};
  }
}
