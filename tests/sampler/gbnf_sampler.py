"""Random texts of a GBNF grammar: a small parser and generator, apart from the one that is tested."""
import re

TOKEN = re.compile(r'''\s*(?:(?P<literal>"(?:\\.|[^"\\])*")|(?P<cls>\[(?:\\.|[^\]\\])*\])|(?P<name>[A-Za-z0-9-]+)'''
                   r'''|(?P<rep>[*+?]|\{\d+,?\d*\})|(?P<op>[()|]))''')
ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)", re.DOTALL)
SIMPLE = {"n": "\n", "r": "\r", "t": "\t"}
INTERESTING = [*range(0x20, 0x7F), 0, 7, 10, 0x7F, 0xE9, 0x20AC, 0x1F98A]


def unescaped(text):
    return ESCAPE.sub(lambda m: chr(int(m[1][1:], 16)) if m[1][0] in "xuU" else SIMPLE.get(m[1], m[1]), text)


class GbnfSampler:
    def __init__(self, gbnf, random):
        self.random = random
        self.rules = {}
        for line in gbnf.splitlines():
            name, body = line.split(" ::= ", 1)
            tokens = [(m.lastgroup, m[m.lastgroup]) for m in TOKEN.finditer(body)]
            self.rules[name], end = self._alternatives(tokens, 0)
            assert end == len(tokens), line

    def _alternatives(self, tokens, at):
        ways, sequence = [], []
        while at < len(tokens) and tokens[at] != ("op", ")"):
            kind, text = tokens[at]
            at += 1
            if (kind, text) == ("op", "|"):
                ways.append(sequence)
                sequence = []
            elif kind == "rep":
                bounds = {"*": (0, None), "+": (1, None), "?": (0, 1)}.get(text)
                if bounds is None:
                    low, _, high = text[1:-1].partition(",")
                    bounds = int(low), (int(high) if high else None if "," in text else int(low))
                sequence[-1] = ("repeat", sequence[-1], *bounds)
            elif (kind, text) == ("op", "("):
                group, at = self._alternatives(tokens, at)
                assert tokens[at] == ("op", ")")
                at += 1
                sequence.append(("ways", group))
            elif kind == "literal":
                sequence.append(("text", unescaped(text[1:-1])))
            elif kind == "cls":
                sequence.append(("chars", self._members(text[1:-1])))
            else:
                sequence.append(("rule", text))
        return [*ways, sequence], at

    @staticmethod
    def _members(text):
        inverted = text.startswith("^")
        items = [unescaped(m[0]) for m in re.finditer(r"\\(?:x..|u....|U........|.)|.", text[inverted:], re.DOTALL)]
        raw = re.findall(r"\\(?:x..|u....|U........|.)|.", text[inverted:], re.DOTALL)
        ranges, i = [], 0
        while i < len(items):
            if i + 2 < len(items) and raw[i + 1] == "-":
                ranges.append((ord(items[i]), ord(items[i + 2])))
                i += 3
            else:
                ranges.append((ord(items[i]), ord(items[i])))
                i += 1
        candidates = {*INTERESTING, *(c for low, high in ranges for c in (low, high))}
        member = lambda c: any(low <= c <= high for low, high in ranges) != inverted and not 0xD800 <= c <= 0xDFFF
        return [chr(c) for c in sorted(candidates) if member(c)]

    def text(self):
        self.budget = 200
        return self._ways(self.rules["root"], 0)

    def _ways(self, ways, depth):
        # Deep down the first ways without rules, so that texts end.
        if depth > 40 or self.budget < 0:
            simple = [w for w in ways if not any(item[0] in ("rule", "ways") for item in w)]
            ways = simple or sorted(ways, key=len)[-1:] if depth > 400 else simple or ways
        return "".join(self._item(item, depth + 1) for item in self.random.choice(ways))

    def _item(self, item, depth):
        self.budget -= 1
        if item[0] == "text":
            return item[1]
        if item[0] == "chars":
            return self.random.choice(item[1])
        if item[0] == "rule":
            return self._ways(self.rules[item[1]], depth)
        if item[0] == "ways":
            return self._ways(item[1], depth)
        _, inner, low, high = item
        most = low if self.budget < 0 or depth > 40 else low + 3 if high is None else min(high, low + 3)
        return "".join(self._item(inner, depth) for _ in range(self.random.randint(low, most)))
