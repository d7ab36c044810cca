"""Random schemas: what the grammar says validates with Python's jsonschema, and what validates is a text of it."""
import json
import random
import string

import pytest

from oracle import Ours

jsonschema = pytest.importorskip("jsonschema")

NAMES = ["a", "ab", "b", "name", "x y", "é", "a\"b", "id", "\\", "", "]", "^x", "-", "[^"]
PATTERNS = {r"^[a-c]{2,4}$": lambda r: "".join(r.choices("abc", k=r.randint(2, 4))),
            r"^(foo|ba[rz])+$": lambda r: "".join(r.choices(["foo", "bar", "baz"], k=r.randint(1, 3))),
            r"^\d{3}-\w\.$": lambda r: f"{r.randint(100, 999)}-{r.choice('aZ_9')}.",
            r"^[^\"\\]?\\$": lambda r: r.choice(["\\", "x\\", "\n\\", "é\\"]),
            r"b+c": lambda r: r.choice(["bc", "xxbbc", 'bc"\n'])}


@pytest.fixture(scope="module")
def ours():
    return Ours()


class Maker:
    """A schema and, for each, a value that it allows; both random."""

    def __init__(self, seed):
        self.r = random.Random(seed)
        self.defs = {}

    def schema(self, depth):
        r = self.r
        kinds = ["null", "boolean", "integer", "bounded", "number", "limited", "string", "length", "pattern", "enum", "const", "nullable", "date"]
        if depth > 0:
            kinds += ["object", "object", "open", "array", "array", "tuple", "anyOf", "allOf", "ref"] * 2
        return getattr(self, "_" + r.choice(kinds))(depth)

    def _null(self, _): return {"type": "null"}
    def _boolean(self, _): return {"type": "boolean", "description": "x"}
    def _integer(self, _): return {"type": "integer"}
    def _number(self, _): return {"type": "number"}
    def _string(self, _): return {"type": "string", "title": "t"}
    def _date(self, _): return {"type": "string", "format": self.r.choice(["date", "time", "date-time", "uuid", "email"])}
    def _pattern(self, _): return {"type": "string", "pattern": self.r.choice(list(PATTERNS))}
    def _enum(self, _): return {"enum": self.r.sample([1, "a", None, True, "é\n", -2.5, {"k": [1]}], self.r.randint(1, 5))}
    def _const(self, _): return {"const": self.r.choice(["x\"y", 7, None, [1, {"a": []}]])}
    def _nullable(self, _): return {"type": [self.r.choice(["integer", "string", "boolean"]), "null"]}

    def _bounded(self, _):
        low = self.r.randint(-2000, 2000)
        s = {"type": "integer"}
        if self.r.random() < 0.8:
            s[self.r.choice(["minimum", "exclusiveMinimum"])] = low
        if self.r.random() < 0.8:
            s[self.r.choice(["maximum", "exclusiveMaximum"])] = low + self.r.choice([2, 9, 90, 3000])
        return s

    def _limited(self, _):
        low = self.r.randint(-30, 30)
        return {"type": "number", "minimum": low, "maximum": low + self.r.randint(0, 40)}

    def _length(self, _):
        low = self.r.randint(0, 3)
        return {"type": "string", "minLength": low, "maxLength": low + self.r.randint(0, 4)}

    def _object(self, depth):
        names = self.r.sample(NAMES, self.r.randint(0, 4))
        return {"type": "object", "properties": {n: self.schema(depth - 1) for n in names},
                "required": [n for n in names if self.r.random() < 0.5], "additionalProperties": False}

    def _open(self, depth):
        s = self._object(depth)
        s["additionalProperties"] = self.r.choice([True, self.schema(0)])
        return s

    def _array(self, depth):
        low = self.r.randint(0, 2)
        s = {"type": "array", "items": self.schema(depth - 1), "minItems": low}
        if self.r.random() < 0.6:
            s["maxItems"] = low + self.r.randint(0, 3)
        return s

    def _tuple(self, depth):
        items = [self.schema(depth - 1) for _ in range(self.r.randint(1, 3))]
        return {"type": "array", "prefixItems": items, "items": False, "minItems": len(items)}

    def _anyOf(self, depth): return {"anyOf": [self.schema(depth - 1) for _ in range(self.r.randint(1, 3))]}

    def _allOf(self, depth):
        a, b = self._object(depth), self._object(depth)
        b["properties"] = {n: s for n, s in b["properties"].items() if n not in a["properties"]}
        b["required"] = [n for n in b["required"] if n in b["properties"]]
        del a["additionalProperties"], b["additionalProperties"]
        return {"allOf": [a, b]}

    def _ref(self, depth):
        name = f"d{len(self.defs)}"
        self.defs[name] = {}
        self.defs[name] = self.schema(depth - 1)
        return {"$ref": f"#/$defs/{name}"}

    def text(self):
        return "".join(self.r.choices(string.ascii_letters + ' "\\\n\té日🦊/{}', k=self.r.randint(0, 5)))

    def value(self, s):
        r = self.r
        if s is True:
            return r.choice([None, 1, "x", [1], {"q": 2}])
        if "$ref" in s: return self.value(self.defs[s["$ref"].rsplit("/", 1)[1]])
        if "anyOf" in s: return self.value(r.choice(s["anyOf"]))
        if "allOf" in s: return {k: v for part in s["allOf"] for k, v in self.value(part).items()}
        if "enum" in s: return r.choice(s["enum"])
        if "const" in s: return s["const"]
        kind = s["type"] if isinstance(s["type"], str) else r.choice(s["type"])
        return getattr(self, "v_" + kind)(s)

    def v_null(self, _): return None
    def v_boolean(self, _): return self.r.random() < 0.5

    def v_integer(self, s):
        low = max(s.get("minimum", -10**6), s.get("exclusiveMinimum", -10**7) + 1)
        high = min(s.get("maximum", 10**6), s.get("exclusiveMaximum", 10**7) - 1)
        return self.r.choice([low, high, self.r.randint(low, high)])

    def v_number(self, s):
        if "minimum" in s:
            return self.r.choice([s["minimum"], s["maximum"], round(self.r.uniform(s["minimum"], s["maximum"]), 3)])
        return self.r.choice([0, -1.5, 3e20, 1.25e-7, 12345.678, 7])

    def v_string(self, s):
        r = self.r
        if "pattern" in s: return PATTERNS[s["pattern"]](r)
        if s.get("format") == "date": return f"{r.randint(0, 9999):04}-{r.randint(1, 12):02}-{r.randint(1, 28):02}"
        if s.get("format") == "time": return f"{r.randint(0, 23):02}:{r.randint(0, 59):02}:00.25Z"
        if s.get("format") == "date-time": return f"2024-01-{r.randint(1, 31):02}T23:59:59+01:30"
        if s.get("format") == "uuid": return "123e4567-e89b-12d3-a456-426614174000"
        if "minLength" in s: return "".join(r.choices('aé🦊"\n\\', k=r.randint(s["minLength"], s["maxLength"])))
        return self.text()

    def v_object(self, s):
        result = {n: self.value(of) for n, of in s["properties"].items() if n in s["required"] or self.r.random() < 0.5}
        others = s.get("additionalProperties", False)
        if others is not False:
            extra = self.r.sample(["abc", "z", "ax", "é2", "A"], self.r.randint(0, 2))
            result |= {n: self.value(others) for n in extra}
        return result

    def v_array(self, s):
        if "prefixItems" in s: return [self.value(of) for of in s["prefixItems"]]
        return [self.value(s["items"]) for _ in range(self.r.randint(s["minItems"], s.get("maxItems", s["minItems"] + 3)))]


def schemas(n):
    for seed in range(n):
        maker = Maker(seed)
        schema = maker.schema(3)
        if maker.defs:
            schema = schema | {"$defs": maker.defs}
        yield maker, schema


def grammar_of(ours, schema):
    answer = ours.ask("gbnf", schema=json.dumps(schema))
    assert "gbnf" in answer, (answer, schema)
    return answer["gbnf"]


def writings(value):
    return [json.dumps(value), json.dumps(value, separators=(",", ":")), json.dumps(value, ensure_ascii=False),
            json.dumps(value, indent=2), json.dumps(value, indent=1, ensure_ascii=False)]


def is_plain(value):
    """Without what a writer may spell in other ways: escapes of characters outside ASCII, in names and constants."""
    return json.dumps(value, ensure_ascii=False) == json.dumps(value)


def test_valid_values_are_accepted(ours):
    for maker, schema in schemas(250):
        gbnf = grammar_of(ours, schema)
        validator = jsonschema.Draft202012Validator(schema)
        texts = []
        for _ in range(6):
            value = maker.value(schema)
            validator.validate(value)  # the maker is right
            texts += [text for text in writings(value) if is_plain(value) or not text.isascii()]
        for text, is_accepted in zip(texts, ours.ask("matches", gbnf=gbnf, texts=texts)):
            # Numbers in exponents that Python writes with a leading zero are fine too.
            assert is_accepted, (json.dumps(schema, ensure_ascii=False), text, gbnf)


def test_accepted_texts_are_valid(ours):
    from gbnf_sampler import GbnfSampler
    accepted = 0
    for maker, schema in schemas(250):
        gbnf = grammar_of(ours, schema)
        sampler = GbnfSampler(gbnf, maker.r)
        validator = jsonschema.Draft202012Validator(schema)
        texts = [sampler.text() for _ in range(8)]
        assert all(ours.ask("matches", gbnf=gbnf, texts=texts)), (gbnf, texts)
        for text in texts:
            value = json.loads(text, parse_constant=lambda x: pytest.fail(x))
            validator.validate(value)
            accepted += 1
    assert accepted == 8 * 250


def test_mutations_are_judged_alike(ours):
    """A valid text with one character changed: accepted only if it still validates."""
    refused = 0
    for maker, schema in schemas(120):
        gbnf = grammar_of(ours, schema)
        validator = jsonschema.Draft202012Validator(schema)
        texts = []
        for _ in range(20):
            text = json.dumps(maker.value(schema), ensure_ascii=False)
            at = maker.r.randrange(len(text))
            texts.append(text[:at] + maker.r.choice('0123456789abn"{}[],:.-\\ ') + text[at + maker.r.randint(0, 1):])
        for text, is_accepted in zip(texts, ours.ask("matches", gbnf=gbnf, texts=texts)):
            refused += not is_accepted
            if is_accepted:
                assert validator.is_valid(json.loads(text)), (schema, text)
    assert refused > 500
