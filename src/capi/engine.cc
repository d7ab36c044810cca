// Loading a model, what it is, and its text <-> tokens.
#include <vector>

#include "capi/capi.h"
#include "tq/cache_plan.h"
#include "tq/utf8.h"

namespace tq::capi {
namespace {

tq_engine_options default_engine_options() {
  const EngineOptions defaults;
  tq_engine_options options{};
  options.struct_size = sizeof options;
  options.n_ctx = defaults.n_ctx;
  options.type_k = static_cast<tq_kv_type>(defaults.type_k);
  options.type_v = static_cast<tq_kv_type>(defaults.type_v);
  options.layer_adaptive = defaults.layer_adaptive;
  options.n_threads = defaults.n_threads;
  options.n_parallel = defaults.n_parallel;
  options.disk_cache_max_bytes = defaults.disk_cache.max_bytes;
  options.swa_full = defaults.swa_full ? 1 : 0;
  return options;
}

Expected<EngineOptions> engine_options(const tq_engine_options& given) {
  const auto options = read_options("tq_engine_load", given, default_engine_options());
  if (!options) return options.error();
  if (const auto ok = require("tq_engine_load", {{"options->model_path", options->model_path}}); !ok)
    return ok.error();
  const auto type_k = kv_type(options->type_k);
  if (!type_k) return type_k.error();
  const auto type_v = kv_type(options->type_v);
  if (!type_v) return type_v.error();
  EngineOptions result{.model_path = options->model_path,
                       .n_ctx = options->n_ctx,
                       .type_k = *type_k,
                       .type_v = *type_v,
                       .layer_adaptive = options->layer_adaptive,
                       .n_threads = options->n_threads,
                       .n_parallel = options->n_parallel,
                       .swa_full = options->swa_full != 0};
  if (options->cache_plan_json != nullptr) {
    auto plan = parse_cache_plan(options->cache_plan_json);
    if (!plan) return plan.error();
    result.cache_plan = *std::move(plan);
  }
  if (options->disk_cache_folder != nullptr) result.disk_cache.folder = options->disk_cache_folder;
  result.disk_cache.max_bytes = options->disk_cache_max_bytes;
  return result;
}

Expected<void> check_text(const std::string& what, std::string_view text) {
  if (const auto offset = invalid_utf8_offset(text)) {
    return bad_argument(what + " is not UTF-8: byte " + std::to_string(*offset) + " begins no character.");
  }
  return {};
}

Expected<std::vector<ChatMessage>> read_messages(std::span<const tq_chat_message> messages) {
  std::vector<ChatMessage> result;
  for (const tq_chat_message& message : messages) {
    if (const auto ok = require("tq_encode_chat", {{"a role", message.role}, {"a content", message.content}});
        !ok)
      return ok.error();
    for (const char* text : {message.role, message.content}) {
      if (const auto ok = check_text("message " + std::to_string(result.size() + 1), text); !ok)
        return ok.error();
    }
    result.push_back({message.role, message.content});
  }
  return result;
}

}  // namespace
}  // namespace tq::capi

using namespace tq::capi;

void tq_engine_options_init(tq_engine_options* options, size_t struct_size) {
  if (options != nullptr) write_struct(*options, default_engine_options(), struct_size);
}

tq_status tq_engine_load(const tq_engine_options* options, tq_engine** engine, tq_error* error) {
  return guarded(error, [&]() -> tq::Expected<void> {
    if (auto ok = require("tq_engine_load", {{"options", options}, {"engine", engine}}); !ok) return ok;
    *engine = nullptr;
    const auto read = engine_options(*options);
    if (!read) return read.error();
    auto loaded = tq::Engine::load(*read);
    if (!loaded) return loaded.error();
    std::string description = (*loaded)->cache_description();
    *engine = new tq_engine{.engine = *std::move(loaded), .cache_description = std::move(description)};
    return {};
  });
}

void tq_engine_free(tq_engine* engine) { delete engine; }

tq_status tq_engine_info(const tq_engine* engine, tq_model_info* info, tq_error* error) {
  return guarded(error, [&]() -> tq::Expected<void> {
    if (auto ok = require("tq_engine_info", {{"engine", engine}, {"info", info}}); !ok) return ok;
    if (info->struct_size < sizeof info->struct_size)
      return bad_argument("tq_engine_info: set info->struct_size to sizeof(tq_model_info).");
    const tq::Engine& loaded = *engine->engine;
    const tq::ModelInfo& model = loaded.info();
    tq_model_info result{};
    result.architecture = model.architecture.c_str();
    result.name = model.name.c_str();
    result.isa = loaded.isa().data();  // of a literal
    result.cache_description = engine->cache_description.c_str();
    result.n_params = model.n_params;
    result.n_ctx_train = model.n_ctx_train;
    result.n_ctx = loaded.n_ctx();
    result.n_layers = model.n_layers;
    result.n_heads = model.n_heads;
    result.n_kv_heads = model.n_kv_heads;
    result.head_dim = model.head_dim;
    result.n_embd = model.n_embd;
    result.n_vocab = model.n_vocab;
    result.n_threads = loaded.n_threads();
    result.has_chat_template = loaded.has_chat_template() ? 1 : 0;
    write_struct(*info, result, info->struct_size);
    return {};
  });
}

tq_status tq_encode(const tq_engine* engine, const char* text, size_t n_bytes, int flags, tq_token* tokens,
                    size_t capacity, size_t* n_tokens, tq_error* error) {
  return guarded(error, [&]() -> tq_status {
    if (const auto ok = require("tq_encode", {{"engine", engine},
                                              {"n_tokens", n_tokens},
                                              array("text", text, n_bytes),
                                              array("tokens", tokens, capacity)});
        !ok)
      return fail(error, ok.error());
    if ((flags & ~(TQ_ENCODE_ADD_BOS | TQ_ENCODE_PARSE_SPECIAL)) != 0)
      return fail(error, bad_argument("tq_encode: unknown flags " + std::to_string(flags) + "."));
    const std::string_view view(text, n_bytes);
    if (const auto ok = check_text("the text", view); !ok) return fail(error, ok.error());
    const auto special =
        (flags & TQ_ENCODE_PARSE_SPECIAL) != 0 ? tq::SpecialText::kParse : tq::SpecialText::kPlain;
    return give(engine->engine->encode(view, special, (flags & TQ_ENCODE_ADD_BOS) != 0), tokens, capacity,
                n_tokens, error);
  });
}

tq_status tq_encode_chat(const tq_engine* engine, const tq_chat_message* messages, size_t n_messages,
                         tq_token* tokens, size_t capacity, size_t* n_tokens, tq_error* error) {
  return guarded(error, [&]() -> tq_status {
    if (const auto ok = require("tq_encode_chat", {{"engine", engine},
                                                   {"n_tokens", n_tokens},
                                                   array("messages", messages, n_messages),
                                                   array("tokens", tokens, capacity)});
        !ok)
      return fail(error, ok.error());
    const auto read = read_messages({messages, n_messages});
    if (!read) return fail(error, read.error());
    const auto prompt = engine->engine->encode_chat(*read);
    if (!prompt) return fail(error, prompt.error());
    return give(*prompt, tokens, capacity, n_tokens, error);
  });
}

tq_status tq_decode(const tq_engine* engine, const tq_token* tokens, size_t n_tokens, char* text,
                    size_t capacity, size_t* n_bytes, tq_error* error) {
  return guarded(error, [&]() -> tq_status {
    if (const auto ok = require("tq_decode", {{"engine", engine},
                                              {"n_bytes", n_bytes},
                                              array("tokens", tokens, n_tokens),
                                              array("text", text, capacity)});
        !ok)
      return fail(error, ok.error());
    const tq::Token n_vocab = engine->engine->info().n_vocab;
    std::string result;
    for (const tq::Token token : std::span(tokens, n_tokens)) {
      if (token < 0 || token >= n_vocab) {
        return fail(error, bad_argument("tq_decode: the token id " + std::to_string(token) +
                                        " is outside the vocabulary of " + std::to_string(n_vocab) + "."));
      }
      result += engine->engine->token_bytes(token);
    }
    return give(result, text, capacity, n_bytes, error);
  });
}

int tq_is_end_of_generation(const tq_engine* engine, tq_token token) {
  return engine != nullptr && engine->engine->is_end_of_generation(token) ? 1 : 0;
}
