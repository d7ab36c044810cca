// Any body as a call of each API, read as the handlers read it, up to the prompt's tokens and the grammar of
// the answer. Nothing but an ApiError may come out. The model is of a few kilobytes; nothing is computed with
// it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "../tests/model/tiny_model.h"
#include "api_errors.h"
#include "server/api/chat_request.h"
#include "server/api/embedding.h"
#include "server/api/served_model.h"
#include "server/llama/completion_json.h"
#include "server/ollama/options.h"
#include "server/openai/responses_request.h"

namespace {

using namespace tq;
using namespace tq::server;

// As short as a template gets that lists tools.
constexpr const char* kTemplate =
    "{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}<{{ m.role }}>{{ m.content }}{% "
    "endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}";

template <class T>
T require(Expected<T> value) {
  if (!value) std::abort();
  return *std::move(value);
}

struct Fixture {
  TempFile file{TinyModel{.n_layers = 1, .n_ctx = 400, .chat_template = kTemplate}.bytes()};
  std::unique_ptr<Engine> engine = require(Engine::load({.model_path = file.path(), .n_threads = 1}));
  std::unique_ptr<Scheduler> scheduler = require(Scheduler::create(*engine, {}));
  ServedModel model{.engine = *engine, .scheduler = *scheduler, .name = "tiny", .path = file.path()};
};

void read_chat(const http::Request& request, const ServedModel& model) {
  const Json body = parse_object(request.body);
  const Fields fields(body);
  ChatRequest chat = read_chat_request(fields, model);
  (void)read_answer_options(fields, model);
  render(chat, model);
  (void)chat_grammar(chat, read_constraint(fields), model);
}

void read_ollama(const http::Request& request, const ServedModel& model) {
  const Json body = parse_object(request.body);
  const Fields fields(body);
  (void)ollama::read_wish(fields, request);
  (void)ollama::read_options(fields, model);
  (void)ollama::read_format(fields);
  (void)ollama::read_think(fields, model);
}

void read_embedding_inputs(const http::Request& request, const ServedModel& model) {
  const Json body = parse_object(request.body);
  if (const Json* const input = Fields(body).find("input")) (void)read_inputs(*input, model, "input");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Fixture fixture;
  const ServedModel& model = fixture.model;
  http::Request request{.method = "POST", .path = "/"};
  request.body.assign(reinterpret_cast<const char*>(data), size);
  expect_only_api_errors([&] { read_chat(request, model); });
  expect_only_api_errors([&] { (void)openai::read_responses_call(model, request); });
  expect_only_api_errors([&] { (void)llama::read_completion_call(model, request); });
  expect_only_api_errors([&] { (void)llama::read_infill_call(model, request); });
  expect_only_api_errors([&] { read_ollama(request, model); });
  expect_only_api_errors([&] { read_embedding_inputs(request, model); });
  return 0;
}
