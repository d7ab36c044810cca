"""llama-server's names of chat templates against llama.cpp's own code for them."""
import ctypes as c
import pathlib
import subprocess

import pytest
from serving import BINARY, ENVIRONMENT, MODEL, Server

llama_peer = pytest.importorskip("llama_peer")

CONVERSATIONS = [
    [("user", "Hello")],
    [("system", "Be kind."), ("user", "Hello")],
    [("user", " a "), ("assistant", " b "), ("user", "it's \\n {{ x }}\nc")],
    [("system", " S "), ("user", " U1 "), ("assistant", " A1 "), ("user", "U2"), ("assistant", "A2"), ("user", "U3")],
]


class Message(c.Structure):
    _fields_ = [("role", c.c_char_p), ("content", c.c_char_p)]


@pytest.fixture(scope="module")
def llama():
    try:
        library = llama_peer.load_library(llama_peer.find_library(("xllamacpp",))[2])
    except ImportError as error:
        pytest.skip(str(error))
    function = library.llama_chat_apply_template
    function.restype = c.c_int32
    function.argtypes = [c.c_char_p, c.POINTER(Message), c.c_size_t, c.c_bool, c.c_char_p, c.c_int32]

    def render(name, messages):
        array = (Message * len(messages))(*[Message(role.encode(), text.encode()) for role, text in messages])
        buffer = c.create_string_buffer(1 << 14)
        n = function(name.encode(), array, len(messages), True, buffer, len(buffer))
        assert 0 <= n < len(buffer), name
        return buffer.raw[:n].decode()
    return render


def refusal(*options):
    got = subprocess.run([BINARY, "serve", "-m", MODEL, *options], env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    assert got.returncode == 2
    return got.stderr


def names():
    listed = refusal("--chat-template", "nope").split("names: ")[1].split(";")[0]
    return listed.split(", ")


def test_names_are_as_llama_cpp_has_them(llama):
    listed = names()
    assert {"chatml", "llama3", "gemma", "mistral-v7", "phi3"} <= set(listed)
    for name in listed:
        with Server("--chat-template", name) as server:
            for conversation in CONVERSATIONS:
                messages = [{"role": role, "content": text} for role, text in conversation]
                prompt = server.post("/apply-template", {"messages": messages})["prompt"]
                assert prompt == llama(name, conversation), name


def test_a_prompt_begins_as_the_models_texts_do():
    """With the beginning of a text where the model's tokenizer puts one, which SmolLM2's does not."""
    gemma = pathlib.Path(MODEL).parent / "gemma-3-270m.Q4_K_M.gguf"
    if not gemma.exists():
        pytest.skip(f"no model {gemma}")
    with Server("--chat-template", "gemma", command=("serve", "-m", str(gemma))) as server:
        prompt = server.post("/apply-template", {"messages": [{"role": "user", "content": "a"}]})["prompt"]
        assert prompt == "<bos><start_of_turn>user\na<end_of_turn>\n<start_of_turn>model\n"
