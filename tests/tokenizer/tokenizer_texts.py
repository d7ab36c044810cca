"""Texts for the tokenizer oracle: fixed ones that have broken tokenizers before, and a seeded stream of mixtures."""

import random

SPACES = ["\t", "\n", "\v", "\f", "\r", "\r\n", " ", "\x1c", "\x1f", "\x85", "\xa0", "\u1680", "\u180e", "\u2000",
          "\u2003", "\u2009", "\u200a", "\u200b", "\u2028", "\u2029", "\u202f", "\u205f", "\u2060", "\u3000", "\ufeff"]

SPECIALS = ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<repo_name>", "<reponame>", "<file_sep>", "<filename>",
            "<empty_output>", "<|im_start", "im_end|>", "<|IM_END|>", "<|im_end|", "|im_end|>"]

SCRIPTS = [
    "The quick brown fox jumps over the lazy dog.", "naïve café — “smart quotes” … São Paulo, Zürich, Łódź",
    "Съешь ещё этих мягких французских булок, да выпей чаю", "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία",
    "我能吞下玻璃而不伤身体。", "私はガラスを食べられます。それは私を傷つけません。ｶﾀｶﾅ", "나는 유리를 먹을 수 있어요. 그래도 아프지 않아요",
    "أنا قادر على أكل الزجاج و هذا لا يؤلمني. ٠١٢٣٤٥٦٧٨٩ ۰۱۲۳", "אני יכול לאכול זכוכית וזה לא מזיק לי. שָׁלוֹם",
    "ฉันกินกระจกได้ แต่มันไม่ทำให้ฉันเจ็บ ๑๒๓", "मैं काँच खा सकता हूँ, मुझे उस से कोई पीडा नहीं होती. १२३४",
    "আমি কাঁচ খেতে পারি", "நான் கண்ணாடி சாப்பிடுவேன்", "ကျွန်တော် မှန်စားနိုင်တယ်။", "ខ្ញុំអាចញុំកញ្ចក់បាន",
    "ᚠᛇᚻ᛫ᛒᛦᚦ ᚠᚱᚩᚠᚢᚱ", "მინას ვჭამ და არა მტკივა.", "Կրնամ ապակի ուտել", "ⵜⴰⵎⴰⵣⵉⵖⵜ ⴰⵏⴰ", "𐍈𐌰𐌿𐍂𐌰𐌽 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝟙𝟚𝟛 𝒜𝒷𝒸",
    "e\u0301 a\u0308\u0323 Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘!", "👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪🇫🇷🇯🇵 👍🏽 ❤️ 🤷🏿‍♀️ 🫠🫡",
    "½ ² ³ Ⅷ ① ㊿ ௧ ༣ 一二三 ⅓ 𒐀", "$€£¥₿ + − × ÷ = ≠ ≤ ∑∫√∞ ^ ~ ` | ¬ ¦", "«»‹›„“”‘’–—…·•†‡§¶©®™°µ",
    "ǅ ǆ Ǆ ﬁ ﬂ ß ẞ ı İ Ÿ ʼn ꙮ", "\u200bzero\u200cwidth\u200djoin\u2060er\ufeff", "\ue000private\U000f0000use\U0010ffff",
    "\u0378unassigned\u0e3e \U0003fffe", "\U00031350\U0002ebf0\U0001e4d0\U0001e4f0 \U00011f02\U00011f50\U0001fae8",
]

CODE = [
    "def f(x):\n    return x**2 + 3*x - 1  # comment\n\n\nclass A:\n\tpass\n", "for (int i = 0; i < n; ++i) { a[i] += b[i]; }\r\n",
    '{"key": [1, 2.5, -3e10, null, true], "s": "a\\n\\u00e9"}', "<div class=\"x\">&nbsp;</div><!-- c -->",
    "SELECT * FROM t WHERE a='it''s' AND b<>3;", "https://example.com/a?b=c&d=%20#frag user@host.org", "/usr/bin/env -S bash -c 'x'",
    "x=1;y=2;;z===3!!==>{}[]()<>", "#include <vector>\n#define X(a) \\\n  a\n", "```python\nprint('hi')\n```\n\n- item\n  - sub\n\t1. x",
    "0x1F 0b1010 1_000_000 3.14159e-10 12345678901234567890 1,234,567.89 2024-01-31T23:59:59Z 10% #1 v1.2.3",
]

CONTRACTIONS = ["I'm", "you're", "he's", "we'd", "they'll", "I've", "can't", "I'M", "YOU'RE", "HE'S", "WE'D", "THEY'LL",
                "I'VE", "CAN'T", "'sup", "'S", "x'Ll", "y'vE", "'", "''", "'s's't", "d'", "l'été", "it’s", "'ſ", "'ſx"]

INVALID = [
    b"\x80", b"\xbf", b"\xc0", b"\xc1\xbf", b"\xc0\x80", b"\xc3", b"\xc3(", b"\xe2\x82", b"\xe2\x82 ", b"\xe2(\xa1", b"\xe0\x80\xaf",
    b"\xe0\x9f\xbf", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xed\xa0\xbd\xed\xb8\x80", b"\xf0\x9f\x98", b"\xf0\x9f", b"\xf0", b"\xf0\x80\x80\xaf",
    b"\xf0\x82\x82\xac", b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80", b"\xfe", b"\xff", b"\xff\xfe", b"\xf0\x28\x8c\x28", b"\xf0\x90\x28\xbc",
    b"\xef\xbf\xbd", b"\xef\xbf\xbe", b"\xef\xbf\xbf", b"\xc2\x80", b"\xc1\x81\xc1\xa1", b"a\xffb\xfe c\x80\x80\x80 1\xc3\x28",
]


def fixed_texts(specials=SPECIALS):
    texts = [""] + SPACES + specials + SCRIPTS + CODE + CONTRACTIONS
    texts += [s * n for s in SPACES for n in (2, 3, 7)]
    texts += [f"a{s}b" for s in SPACES] + [f"a{s} b{s}{s}1{s}" for s in SPACES] + [f"{s}{t}" for s in SPACES[:8] for t in SPACES]
    texts += [chr(c) for c in range(256)] + [f"x{chr(c)}y 1{chr(c)}2" for c in range(256)]
    texts += ["1" * n for n in range(1, 20)] + [" " * n + "x" for n in range(12)] + ["\n" * n + "x" for n in range(12)]
    texts += [f"a{s}b {s} c\n{s}\n" for s in specials]
    texts += ["".join(specials), "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n", "<<|im_end|>>", "<|im_<|im_end|>end|>"]
    data = [t.encode() for t in texts] + INVALID + [b"x" + i + b"y" for i in INVALID] + [i + j for i in INVALID[:12] for j in INVALID[:12]]
    data += [i + s.encode() for i in INVALID for s in ("<|im_end|>", " 1", "\n\n")]
    return data


def long_texts():
    rng = random.Random(3)
    words = "".join(rng.choice(SCRIPTS + CODE) for _ in range(400))
    return [b"a" * 20000, b" " * 20000, b"\n" * 5000 + b"x", b"ab" * 10000, b"1" * 20000, "é".encode() * 5000, "日本".encode() * 5000,
            b"!" * 10000, b"\xff" * 3000, words.encode(), "".join(rng.choice("abcdefghij") for _ in range(30000)).encode()]


def _piece(rng, specials):
    kind = rng.randrange(12)
    if kind == 0:
        return rng.choice(SPACES) * rng.choice([1, 1, 2, 3, 5])
    if kind == 1:
        return rng.choice(specials)
    if kind == 2:
        return rng.choice(CONTRACTIONS)
    if kind == 3:
        text = rng.choice(CODE)
    elif kind == 4:
        return str(rng.randrange(10 ** rng.randrange(1, 18)))
    elif kind == 5:
        return "".join(chr(rng.randrange(0x20, 0x7F)) for _ in range(rng.randrange(1, 12)))
    elif kind == 6:
        return "".join(chr(rng.choice([rng.randrange(0x80, 0x800), rng.randrange(0x800, 0xD800), rng.randrange(0xE000, 0x10000),
                                       rng.randrange(0x10000, 0x20000), rng.randrange(0x1F300, 0x1FB00)])) for _ in range(rng.randrange(1, 6)))
    elif kind == 7:
        return " " * rng.randrange(1, 9) + rng.choice(["", "\n", "\t"])
    else:
        text = rng.choice(SCRIPTS)
    start = rng.randrange(len(text))
    return text[start : start + rng.randrange(1, 24)]


def random_texts(count, seed, specials=SPECIALS):
    rng = random.Random(seed)
    texts = []
    for _ in range(count):
        data = "".join(_piece(rng, specials) for _ in range(rng.randrange(1, 9))).encode()
        if rng.random() < 0.2:  # damage some bytes; F4..F7 leads are left out, see the test
            data = bytearray(data)
            for _ in range(rng.randrange(1, 4)):
                at = rng.randrange(len(data) + 1)
                data[at : at + rng.randrange(2)] = bytes([rng.choice([*range(0x80, 0xF4), *range(0xF8, 0x100)])])
            data = bytes(data)
        texts.append(data)
    return texts
