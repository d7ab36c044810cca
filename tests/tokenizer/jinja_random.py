"""Random templates for the chat template oracle: any filter, test, method and operator on any value.

Filters that give generators are made lists at once: jinja2 meets an error inside one only when it is used.
"""
import random

ATOMS = ["s", "u", "e", "sp", "html", "n", "neg", "f", "t", "no", "none_value", "words", "nums", "empty", "d", "nested", "rows",
         "pairs", "mixed", "lines", "zz", "1", "0", "-1", "2", "2.5", "'a'", "''", "'l'", "', '", "'é'", "true", "none", "[]", "{}",
         "(1, 2)", "[1, 'a']", "{'a': 1}", "ns.x", "loop.index", "x", "y", "q", "dict(**d)", "namespace(**d)", "{s: u}"]
FILTERS = ["trim", "length", "upper", "lower", "title", "capitalize", "first", "last", "default(A)", "default(A, true)", "tojson",
           "tojson(indent=2)", "tojson(indent=s)", "string", "int", "float", "list", "join", "join(A)", "replace(A, B)", "replace(A, B, 1)", "reverse | list",
           "sort", "unique | list", "sum", "min", "max", "abs", "round", "round(1)", "e", "safe", "indent", "indent(2, true)", "items | list",
           "dictsort", "map('upper') | list", "map(attribute='name') | list", "map(attribute=A) | list", "map('string') | list", "select | list", "reject | list", "select('string') | list",
           "selectattr('age') | list", "selectattr('age', 'gt', 26) | list", "rejectattr('tag', 'defined') | list", "batch(2) | list", "attr('name')", "trim(A)",
           "select('in', A) | list", "map('default', A) | list", "join(', ', attribute='name')", "sort(attribute='age')", "sort(true)", "count"]
TESTS = ["defined", "undefined", "none", "string", "number", "integer", "float", "boolean", "true", "false", "mapping", "sequence",
         "iterable", "callable", "odd", "even", "divisibleby(2)", "eq(A)", "ne(A)", "gt(A)", "in(A)", "upper", "lower"]
METHODS = ["strip()", "lstrip()", "rstrip('d')", "split()", "split(A)", "split(A, 1)", "rsplit(A, 1)", "splitlines()", "upper()",
           "lower()", "title()", "capitalize()", "replace(A, B)", "startswith(A)", "endswith(A)", "find(A)", "rfind(A)", "count(A)",
           "join(A)", "items() | list", "keys() | list", "values() | list", "get(A)", "get(A, B)", "format(A, B)", "index(A)", "removeprefix(A)",
           "removesuffix(A)", "isdigit()", "isalpha()", "isspace()", "islower()", "partition(A)", "center(9)", "ljust(9)", "append(A)",
           "pop()", "a", "name", "x", "0", "nope", "update(A)"]
OPERATORS = ["+", "-", "*", "/", "//", "%", "~", "==", "!=", "<", "<=", ">", ">=", "in", "not in", "and", "or", "**"]


class Writer:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def fill(self, text, depth):
        while "A" in text or "B" in text:
            at = min(i for i in (text.find("A"), text.find("B")) if i >= 0)
            text = text[:at] + self.expression(depth - 1).replace("A", "\x00").replace("B", "\x01") + text[at + 1:]
        return text.replace("\x00", "A").replace("\x01", "B")

    def expression(self, depth):
        pick = self.random
        kind = pick.randrange(12) if depth > 0 else 0
        if kind <= 1:
            return pick.choice(ATOMS)
        inner = self.expression(depth - 1)
        if kind <= 4:
            return f"{inner} | {self.fill(pick.choice(FILTERS), depth)}"
        if kind <= 6:
            return f"({inner}).{self.fill(pick.choice(METHODS), depth)}"
        if kind == 7:
            return f"({inner} is {pick.choice(['', 'not '])}{self.fill(pick.choice(TESTS), depth)})"
        if kind == 8:
            parts = [pick.choice(["", "", "0", "1", "-1", "2", "-2", "n"]) for _ in range(pick.choice([2, 2, 3]))]
            return f"({inner})[{':'.join(parts)}]"
        if kind == 9:
            return f"({inner})[{self.expression(depth - 1)}]"
        other = self.expression(depth - 1)
        if kind == 10:
            return f"({inner} if {other} else {self.expression(depth - 1)})"
        operator = pick.choice(OPERATORS)
        if operator == "**":  # without numbers of any size
            return f"2 ** {pick.choice(['3', 'n', '-1', '0.5', 'none'])}"
        return f"{pick.choice(['', 'not ', '-'])}{inner} {operator} {other}"

    def body(self, depth):
        pick = self.random
        return "".join(self.statement(depth - 1) + pick.choice(["", " ", "\n", "  \n", "a"]) for _ in range(pick.randrange(1, 3)))

    def tag(self, text):
        begin, end = self.random.choice(["", "", "-", "+"]), self.random.choice(["", "", "-", "+"])
        return "{%" + begin + f" {text} " + end + "%}"

    def statement(self, depth):
        pick = self.random
        kind = pick.randrange(9) if depth > 0 else 0
        e = self.expression(2)
        if kind <= 2:
            return pick.choice(["{{ ", "{{- "]) + e + pick.choice([" }}", " -}}"])
        if kind == 3:
            return self.tag(f"if {e}") + self.body(depth) + self.tag("else") + self.body(depth) + self.tag("endif")
        if kind == 4:
            loop = f"for x in {e}" + (f" if {self.expression(1)}" if pick.random() < .2 else "")
            return self.tag(loop) + self.body(depth) + self.tag("endfor")
        if kind == 5:
            return self.tag(f"set {pick.choice(['q', 'ns.x'])} = {e}")
        if kind == 6:
            return self.tag("set w") + self.body(depth) + self.tag("endset") + "{{ w }}"
        if kind == 7:
            return self.tag("macro m(x, y=1)") + self.body(depth) + self.tag("endmacro") + "{{ m(" + e + ") }}"
        return "{# c #}" + self.tag("filter upper") + self.body(depth) + self.tag("endfilter")


def templates(count, seed):
    writer = Writer(seed)
    return ["{% set ns = namespace(x=1) %}" + (writer.body(3) if i % 2 else "{{ " + writer.expression(3) + " }}") for i in range(count)]
