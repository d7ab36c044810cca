"""The web page in Debian's Chromium against the real server. Where a test needs to know the answer's text, the browser
gets it from here instead of the model; all else goes the way it goes for people."""
import json
import os
import re

import pytest

from serving import MODEL, Server

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = "/usr/bin/chromium"
if not os.path.exists(CHROMIUM):
    pytest.skip("chromium is not installed", allow_module_level=True)

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]
ANSWER_DONE = "body:not(.answering) .message.assistant:last-child:not(.growing)"
expect = sync_api.expect


@pytest.fixture(scope="module")
def server():
    with Server("--parallel", "2") as running:
        yield running


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(server, browser):
    """open_page(**context options): a page of a browser of its own. At the end: it asked nobody else, broke no policy of
    the server and threw no error."""
    contexts, problems = [], []

    def open_one(url=server.url, **options):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}} | options)
        contexts.append(context)
        context.on("request", lambda request: None if request.url.startswith(url + "/")
                   else problems.append("asked " + request.url))
        context.on("weberror", lambda error: problems.append(str(error.error)))
        context.on("console", lambda message: problems.append(message.text)
                   if "Content Security Policy" in message.text else None)
        context.add_init_script("""addEventListener("securitypolicyviolation", (event) =>
            console.error("Content Security Policy: " + event.violatedDirective + " " + event.blockedURI))""")
        page = context.new_page()
        page.goto(url + "/")
        return page
    yield open_one
    for context in contexts:
        context.close()
    assert problems == []


def ask(page, text):
    page.get_by_label("Message", exact=True).fill(text)
    page.keyboard.press("Enter")


def set_parameters(page, **parameters):
    page.evaluate("p => localStorage.setItem('turboquant.settings', JSON.stringify({parameters: p}))", parameters)


def answers_with(page, *pieces):
    """The browser takes the pieces for what the server streams."""
    def chunk(delta, reason=None):
        return {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}
    chunks = [chunk({"role": "assistant", "content": ""}), *(chunk({"content": piece}) for piece in pieces), chunk({}, "stop")]
    body = "".join(f"data: {json.dumps(item)}\n\n" for item in chunks) + "data: [DONE]\n\n"
    page.route("**/v1/chat/completions", lambda route: route.fulfill(content_type="text/event-stream", body=body))


def show(page, text):
    """The element that shows the text as an answer."""
    answers_with(page, *re.findall(r".{1,5}", text, re.DOTALL))
    ask(page, "Show it.")
    page.wait_for_selector(ANSWER_DONE)
    return page.locator(".message.assistant .markdown").last


def test_headers(server):
    status, headers, text = server.ask("GET", "/", Accept="text/html,*/*")
    assert status == 200 and headers["Content-Type"] == "text/html; charset=utf-8" and "<main>" in text
    assert headers["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
    assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "no-referrer"
    names = re.findall(r'(?:src|href)="(web/[^"]+)"', text)
    assert len(names) >= 4
    for name in names:
        status, headers, _ = server.ask("GET", "/" + name)
        assert status == 200, name
        status, again, body = server.ask("GET", "/" + name, **{"If-None-Match": headers["ETag"]})
        assert (status, body, again["ETag"]) == (304, "", headers["ETag"]), name
    assert server.ask("GET", "/", Accept="*/*")[2].startswith("turboquant is running")
    assert server.ask("GET", "/web/none.js")[0] == 404


def test_without_the_page():
    with Server("--no-web") as server:
        assert server.ask("GET", "/", Accept="text/html")[2].startswith("turboquant is running")
        assert server.ask("GET", "/web/app.js")[0] == 404


def test_chat_is_that_of_the_server_and_is_kept(server, open_page):
    page = open_page()
    set_parameters(page, temperature=0, max_tokens=24)
    ask(page, "What is the capital of France?")
    page.wait_for_selector(ANSWER_DONE)
    answer = page.locator(".message.assistant .markdown").inner_text()
    alone = server.post("/v1/chat/completions", {
        "messages": [{"role": "user", "content": "What is the capital of France?"}], "temperature": 0, "max_tokens": 24})
    assert answer == alone["choices"][0]["message"]["content"] != ""
    # The second turn goes on with the first one's cache, and the panel says so.
    ask(page, "And of Italy?")
    page.wait_for_selector(ANSWER_DONE)
    cached = int(re.match(r"(\d+) of", page.locator("#hits").inner_text())[1])
    assert cached >= alone["usage"]["prompt_tokens"]  # how much of the answer depends on how it is cut into tokens again
    assert "K turbo4, V turbo4" in page.locator("header").inner_text()
    expect(page.locator("#cache-ratio")).to_contain_text("smaller")
    assert 0 < int(page.locator("#context-meter").get_attribute("aria-valuenow")) < 100

    texts = page.locator(".message").all_inner_texts()
    page.reload()
    expect(page.locator(".message")).to_have_count(4)
    assert page.locator(".message").all_inner_texts() == texts
    page.get_by_role("button", name="New conversation").click()
    expect(page.locator(".message")).to_have_count(0)
    page.locator("#conversations .open").click()
    expect(page.locator(".message")).to_have_count(4)
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete: What is the capital of France?").click()
    expect(page.locator("#conversations li")).to_have_count(0)
    assert page.evaluate("Object.keys(localStorage).filter(k => k.startsWith('turboquant.chat.'))") == []


@pytest.mark.parametrize("how", ["Escape", "button"])
def test_stop_frees_the_slot(server, open_page, how):
    page = open_page()
    set_parameters(page, temperature=1, max_tokens=1500, ignore_eos=True)
    ask(page, "Tell me a long story.")
    expect(page.locator(".message.assistant .markdown")).not_to_be_empty()
    if how == "Escape":
        page.keyboard.press("Escape")
    else:
        page.get_by_role("button", name="Stop").click()
    page.wait_for_selector(ANSWER_DONE)
    server.wait_until(lambda slots: not any(slot["is_processing"] for slot in slots))
    kept = page.locator(".message.assistant .markdown").inner_text()
    expect(page.locator(".message.assistant .meta")).to_contain_text("stopped")
    page.reload()
    expect(page.locator(".message.assistant .markdown")).to_have_text(kept, use_inner_text=True)


def test_keys(open_page):
    page = open_page()
    answers_with(page, "Yes.")
    field = page.get_by_label("Message", exact=True)
    expect(field).to_be_focused()
    page.keyboard.type("one")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("two")
    assert field.input_value() == "one\ntwo" and page.locator(".message").count() == 0
    page.keyboard.press("Enter")
    expect(page.locator(".message.user .text")).to_have_text("one\ntwo", use_inner_text=True)
    # Everything that can be used has a name, and shows where the focus is.
    unnamed = page.evaluate("""[...document.querySelectorAll("button, input, select, textarea")].filter((e) =>
        !(e.labels?.length || e.getAttribute("aria-label") || e.textContent.trim())).map((e) => e.outerHTML)""")
    assert unnamed == []
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert page.locator("#log").get_attribute("aria-live") == "polite"


MARKDOWN = """# Title

Some **bold**, *slanted* and `code <b>`, snake_case_name, 2 * 3 * 4, https://example.com/a_b.

1. first
   - inner
2. second

| a | b |
|---|--:|
| 1 | 2 |

```python
if a < b:
\tprint("**no**")
```
"""


def test_markdown(open_page):
    shown = show(open_page(permissions=["clipboard-read", "clipboard-write"]), MARKDOWN)
    page = shown.page
    assert shown.locator("h3").inner_text() == "Title"
    assert shown.locator("strong").all_inner_texts() == ["bold"] and shown.locator("em").all_inner_texts() == ["slanted"]
    assert shown.locator("p code").inner_text() == "code <b>"
    assert shown.locator("a").get_attribute("href") == "https://example.com/a_b"
    assert shown.locator("> ol > li").count() == 2 and shown.locator("li li").inner_text() == "inner"
    assert shown.locator("td").all_inner_texts() == ["1", "2"]
    code = 'if a < b:\n\tprint("**no**")'
    assert shown.locator("pre code").text_content() == code
    shown.get_by_role("button", name="Copy").click()
    expect(shown.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == code


HOSTILE = """<script>window.hacked = 1</script><img src=x onerror="window.hacked = 1">
<iframe src="https://evil.example"></iframe>

[click](javascript:window.hacked=1) [click](data:text/html,x) ![picture](https://evil.example/track.png)
[a"onmouseover="window.hacked=1](https://example.com/"onmouseover="window.hacked=1)

```html"><img src=x onerror=window.hacked=1>
<style>body { display: none }</style>
```

""" + ">" * 3000 + "\n\n" + "*_" * 2000 + "\n\n" + "[" * 3000


def test_what_a_model_writes_stays_text(open_page):
    page = open_page()
    shown = show(page, HOSTILE)
    assert shown.locator("script, img, iframe, style").count() == 0
    assert "<script>window.hacked = 1</script>" in shown.inner_text()
    assert all(href.startswith("https://") for href in shown.locator("a").evaluate_all("all => all.map(a => a.href)"))
    assert shown.locator("*").evaluate_all("all => all.flatMap(e => e.getAttributeNames()).filter(n => n.startsWith('on'))") == []
    page.reload()  # the title in the list and the history are shown from what is kept
    expect(page.locator(".message")).to_have_count(2)
    assert page.evaluate("window.hacked") is None


def test_a_failure_is_said(open_page):
    page = open_page()
    page.route("**/v1/chat/completions", lambda route: route.fulfill(
        status=429, headers={"Retry-After": "7"}, json={"error": {"message": "too many requests are waiting."}}))
    ask(page, "Hello")
    error = page.locator(".message.assistant .error")
    expect(error).to_have_text("Too many requests are waiting. It asks to wait 7 s.")
    page.unroute("**/v1/chat/completions")
    set_parameters(page, temperature=0, max_tokens=4)
    page.get_by_role("button", name="Again").click()
    page.wait_for_selector(ANSWER_DONE)
    expect(page.locator(".message.assistant .markdown")).not_to_be_empty()
    expect(page.locator(".message.assistant .error")).to_be_hidden()


def test_key_and_settings(open_page):
    with Server("--api-key", "secret", "--temp", "0.6") as server:
        page = open_page(url=server.url)
        key = page.get_by_label("API key")
        expect(key).to_be_focused()  # asked for at once
        key.fill("secret")
        page.get_by_label("System prompt").fill("You are a parrot.")
        page.get_by_label("Longest answer").fill("3")
        page.get_by_role("button", name="Save").click()
        expect(page.locator("#connection")).to_be_hidden()
        page.get_by_role("button", name="Settings").click()
        assert page.get_by_label("Temperature", exact=True).get_attribute("placeholder") == "0.6"
        page.keyboard.press("Escape")
        with page.expect_request("**/v1/chat/completions") as asked:
            ask(page, "Hello")
        body = asked.value.post_data_json
        assert body["messages"] == [{"role": "system", "content": "You are a parrot."}, {"role": "user", "content": "Hello"}]
        assert body["max_tokens"] == 3 and "temperature" not in body
        page.wait_for_selector(ANSWER_DONE)
        expect(page.locator(".message.assistant .meta")).to_contain_text("3 tokens")


def test_no_model_is_loaded_yet(open_page, tmp_path):
    for name in ("first", "second"):
        (tmp_path / f"{name}.gguf").symlink_to(MODEL)
    with Server("--model-dir", str(tmp_path), "--parallel", "1", command=("serve",)) as server:
        page = open_page(url=server.url)
        failed = []
        page.on("response", lambda response: failed.append(response.url) if response.status >= 400 else None)
        chooser = page.get_by_label("Model", exact=True)
        expect(chooser.locator("option")).to_have_text(["first (not loaded)", "second (not loaded)"])
        expect(page.locator("#loading-note")).to_contain_text("first is loaded by the first question")
        expect(page.locator("#connection")).to_be_hidden()
        expect(page.locator("header")).to_contain_text("not loaded yet")
        chooser.select_option("second")
        page.reload()
        expect(chooser).to_have_value("second")
        set_parameters(page, temperature=0, max_tokens=4)
        assert server.get("/api/ps")["models"] == []  # looking loads nothing
        ask(page, "Hello")
        page.wait_for_selector(ANSWER_DONE)
        expect(page.locator(".message.assistant .markdown")).not_to_be_empty()
        expect(chooser.locator("option")).to_have_text(["first (not loaded)", "second"])
        expect(page.locator("header")).to_contain_text("K turbo4, V turbo4")
        expect(page.locator("#slots")).to_have_text("0 of 1 busy")
        assert failed == []
        page.set_viewport_size({"width": 360, "height": 740})
        box, beside = chooser.bounding_box(), page.get_by_label("Colours").bounding_box()
        assert box["x"] + box["width"] <= beside["x"]


def brightness(page):
    red, green, blue = map(int, re.findall(r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor"))[:3])
    return (red + green + blue) / 3


def test_light_and_dark(open_page):
    assert brightness(open_page(color_scheme="light")) > 200
    page = open_page(color_scheme="dark")
    assert brightness(page) < 60
    page.get_by_label("Colours").select_option("light")
    assert brightness(page) > 200
    page.reload()
    assert brightness(page) > 200


def test_phone(open_page):
    page = open_page(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    show(page, MARKDOWN + "\n" + "x" * 500 + "\n\n```\n" + "y" * 500 + "\n```\n")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    expect(page.locator("#list")).to_be_hidden()
    page.get_by_role("button", name="Conversations").click()
    expect(page.get_by_role("button", name="New conversation")).to_be_focused()
    page.get_by_role("button", name="New conversation").click()
    expect(page.locator("#list")).to_be_hidden()
    page.get_by_role("button", name="Live").click()
    expect(page.locator("#panel")).to_be_visible()
    page.touchscreen.tap(20, 400)
    expect(page.locator("#panel")).to_be_hidden()
    for name, drawer in (("Live", "#panel"), ("Conversations", "#list")):
        opener = page.get_by_role("button", name=name)
        opener.click()
        expect(opener).to_have_attribute("aria-expanded", "true")
        page.locator(drawer).get_by_role("button", name="Close").click()
        expect(opener).to_be_focused()
        expect(opener).to_have_attribute("aria-expanded", "false")
    page.set_viewport_size({"width": 820, "height": 1100})
    box, around = (page.locator(name).bounding_box() for name in ("#composer", "main"))
    assert box["x"] >= around["x"] + 8 and box["x"] + box["width"] <= around["x"] + around["width"] - 8
