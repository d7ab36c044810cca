// The tools of an agent, and answers that call them in the markup of each family of models.
#pragma once

#include <string>
#include <vector>

#include "tq/tool_calls.h"

namespace tq::samples {

inline constexpr const char* kTools = R"([
  {"type": "function", "function": {"name": "read_file", "description": "Reads a text file.",
    "parameters": {"type": "object", "properties": {"limit": {"type": "integer"}, "offset": {"type": "integer"},
      "path": {"type": "string"}}, "required": ["path"]}}},
  {"type": "function", "function": {"name": "web_search", "description": "Searches the web.",
    "parameters": {"type": "object", "properties": {"max_results": {"type": "integer"}, "query": {"type": "string"}},
      "required": ["query"]}}},
  {"type": "function", "function": {"name": "execute_code", "description": "Runs a Python script.",
    "parameters": {"type": "object", "properties": {"code": {"type": "string"},
      "mode": {"type": "string", "enum": ["run", "check"]}, "flags": {"type": "array", "items": {"type": "boolean"}}},
      "required": ["code"]}}}])";

inline std::vector<Tool> tools() {
  auto parsed = parse_tools(kTools);
  return parsed ? *std::move(parsed) : std::vector<Tool>();
}

struct Sample {
  ToolSyntax syntax;
  std::string text;
  std::string content;
  std::vector<ToolCall> calls;  // without ids
  bool is_constrained = true;   // the grammar of "auto" allows it
};

inline AnswerFormat format_of(ToolSyntax syntax) {
  AnswerFormat format{.syntax = syntax, .reasoning_open = "<think>", .reasoning_close = "</think>"};
  if (syntax == ToolSyntax::kMistralArgs || syntax == ToolSyntax::kMistralList) {
    format.reasoning_open = "[THINK]";
    format.reasoning_close = "[/THINK]";
  }
  if (syntax == ToolSyntax::kGemma4) {
    format.reasoning_open = "<|channel>thought";
    format.reasoning_close = "<channel|>";
  }
  return format;
}

inline std::vector<Sample> calls() {
  using S = ToolSyntax;
  const ToolCall read{"", "read_file", R"({"path": "/tmp/a.txt"})"};
  const ToolCall search{"", "web_search", R"({"query": "caf\u00e9 \"x\"", "max_results": 3})"};
  const ToolCall find{"", "web_search", R"({"max_results": 3, "query": "kv cache"})"};
  return {
      {S::kHermes,
       "<tool_call>\n{\"name\": \"read_file\", \"arguments\": {\"path\": \"/tmp/a.txt\"}}\n</tool_call>",
       "",
       {read}},
      {S::kHermes,
       "I'll look.\n<tool_call>\n{\"name\": \"read_file\", \"arguments\": {\"path\": "
       "\"/tmp/a.txt\"}}\n</tool_call>\n"
       "<tool_call>\n{\"name\": \"web_search\", \"arguments\": {\"max_results\": 3, \"query\": \"kv "
       "cache\"}}\n"
       "</tool_call>",
       "I'll look.",
       {read, find}},
      {S::kHermes,
       "<tool_call>{\"arguments\": {\"query\": \"caf\\u00e9 \\\"x\\\"\", \"max_results\": 3}, \"name\": "
       "\"web_search\"}\n"
       "</tool_call> Done <b>.",
       " Done <b>.",
       {search},
       false},
      {S::kXml,
       "<tool_call>\n<function=execute_code>\n<parameter=code>\nif a < 2:\n    "
       "print(\"</p>\")\n\n</parameter>\n"
       "<parameter=flags>\n[true, false]\n</parameter>\n</function>\n</tool_call>",
       "",
       {{"", "execute_code", R"({"code": "if a < 2:\n    print(\"</p>\")\n", "flags": [true, false]})"}},
       false},  // not the schema's order
      {S::kXml,
       "First.\n\n<tool_call>\n<function=web_search>\n<parameter=max_results>\n3\n</"
       "parameter>\n<parameter=query>\n"
       "kv "
       "cache\n</parameter>\n</function>\n</tool_call>\n<tool_call>\n<function=read_file>\n<parameter=path>\n"
       "/tmp/a.txt\n</parameter>\n</function>\n</tool_call>",
       "First.",
       {find, read}},
      {S::kLlama3, R"({"name": "read_file", "parameters": {"path": "/tmp/a.txt"}})", "", {read}},
      {S::kLlama3,
       R"(<|python_tag|>{"name": "read_file", "parameters": {"path": "/tmp/a.txt"}})",
       "",
       {read},
       false},
      {S::kLlama3,
       R"({"type": "function", "name": "read_file", "parameters": {"path": "/tmp/a.txt"}}; {"name": "web_search", )"
       R"("parameters": {"max_results": 3, "query": "kv cache"}})",
       "",
       {read, find},
       false},
      {S::kMistralList,
       R"(Sure. [TOOL_CALLS][{"name": "read_file", "arguments": {"path": "/tmp/a.txt"}, "id": "abcdefghi"}, )"
       R"({"name": "web_search", "arguments": {"max_results": 3, "query": "kv cache"}}])",
       "Sure.",
       {read, find}},
      {S::kMistralArgs,
       R"([TOOL_CALLS]read_file[ARGS]{"path": "/tmp/a.txt"}[TOOL_CALLS]web_search[ARGS]{"max_results": 3, "query": "kv cache"})",
       "",
       {read, find}},
      {S::kMistralArgs, R"([TOOL_CALLS]read_file[CALL_ID]abcdefghi[ARGS]{"path": "/tmp/a.txt"})", "", {read}},
      {S::kFunctionGemma,
       "<start_function_call>call:web_search{max_results:3,query:<escape>kv cache<escape>}<end_function_call>"
       "<start_function_call>call:read_file{path:<escape>/tmp/a.txt<escape>}<end_function_call>",
       "",
       {{"", "web_search", R"({"max_results":3,"query":"kv cache"})"},
        {"", "read_file", R"({"path":"/tmp/a.txt"})"}}},
      {S::kGemma4,
       "Running.<|tool_call>call:execute_code{code:<|\"|>a = {\"x\": "
       "'<|'}\n<|\"|>,flags:[true,false],mode:<|\"|>run<|\"|>}"
       "<tool_call|>",
       "Running.",
       {{"", "execute_code", R"({"code":"a = {\"x\": '<|'}\n","flags":[true,false],"mode":"run"})"}}},
      {S::kJson, R"({"name": "read_file", "arguments": {"path": "/tmp/a.txt"}})", "", {read}},
      {S::kJson,
       "```json\n{\"name\": \"read_file\", \"arguments\": {\"path\": \"/tmp/a.txt\"}}\n```",
       "",
       {read},
       false},
      {S::kJson,
       "<tool_call>{\"name\": \"read_file\", \"arguments\": \"{\\\"path\\\": "
       "\\\"/tmp/a.txt\\\"}\"}</tool_call>",
       "",
       {read},
       false},
  };
}

// What looks like a call and is none: content as it stands.
inline std::vector<Sample> no_calls() {
  using S = ToolSyntax;
  std::vector<Sample> samples;
  for (const S syntax : {S::kHermes, S::kXml, S::kLlama3, S::kMistralList, S::kMistralArgs, S::kFunctionGemma,
                         S::kGemma4, S::kJson}) {
    for (const char* text : {"",
                             "Hello",
                             " \n Hello \n",
                             "a < b <",
                             "<tool_cal",
                             "<<<tool_call",
                             "{\"a\": 1}",
                             "[1, 2]",
                             "{\"name\": \"Bob\", \"parameters\": {}}",
                             "{\"name\": \"read_file\", \"age\": 3}",
                             "[TOOL_CALL",
                             "``",
                             "```json\n{}\n```",
                             "x <tool_call> is a marker",
                             "<tool_call></tool_call>",
                             "<tool_call>\n{\"name\": 5, \"arguments\": {}}",
                             "<tool_call>{\"name\": \"read_file\", \"arguments\": 5}</tool_call>",
                             "<tool_call><function></function>",
                             "[TOOL_CALLS][]",
                             "[TOOL_CALLS]read file[ARGS]{}",
                             "[TOOL_CALLS][1, 2]",
                             "[TOOL_CALLS]",
                             "<start_function_call>calm",
                             "<|tool_call>call:{}",
                             "<|python_tag|>print(1)",
                             "<|python_tag|>{\"name\": \"read_file\""})
      samples.push_back({syntax, text, text, {}});
  }
  return samples;
}

}  // namespace tq::samples
