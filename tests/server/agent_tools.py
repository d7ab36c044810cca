"""The tools of an agent, as OpenAI's API takes them."""


def function(name, description, required, **properties):
    return {"type": "function", "function": {"name": name, "description": description, "parameters": {
        "type": "object", "properties": properties, "required": required, "additionalProperties": False}}}


# Texts are short, so that a small model comes to an end.
TOOLS = [
    function("read_file", "Reads a text file.", ["path"], path={"type": "string", "maxLength": 24},
             limit={"type": "integer", "minimum": 1, "maximum": 500}),
    function("web_search", "Searches the web.", ["query"], query={"type": "string", "maxLength": 24},
             max_results={"type": "integer", "minimum": 1, "maximum": 9}),
    function("execute_code", "Runs a Python script.", ["code"], code={"type": "string", "maxLength": 24}),
]
SCHEMAS = {tool["function"]["name"]: tool["function"]["parameters"] for tool in TOOLS}


def named(name):
    return {"type": "function", "function": {"name": name}}
