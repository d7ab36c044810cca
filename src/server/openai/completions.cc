// POST /v1/completions: text goes on, without a chat template.
#include <algorithm>

#include "server/api/prompt.h"
#include "server/http/sse.h"
#include "server/openai/endpoints.h"
#include "server/openai/format.h"

namespace tq::server::openai {
namespace {

constexpr int kMaxLogprobs = 20;
constexpr std::int64_t kDefaultTokens = 16;  // OpenAI's

struct Call {
  AnswerOptions options;
  std::vector<std::vector<Token>> prompts = {};
  std::vector<std::string> echoes =
      {};  // of each prompt, to begin its answers with; empty texts unless asked for
  bool streams = false;
  bool includes_usage = false;
  std::string id = make_id("cmpl-");
  std::int64_t created = unix_time();

  std::size_t n_choices() const { return prompts.size() * static_cast<std::size_t>(options.n); }
  const std::string& echo_of(int choice) const {
    return echoes[static_cast<std::size_t>(choice) / static_cast<std::size_t>(options.n)];
  }
};

// With a "suffix" the answer is what stands between the two.
std::vector<std::vector<Token>> read_prompts_of(const Fields& fields, const Json& prompt,
                                                const ServedModel& model) {
  const auto suffix = fields.string("suffix");
  if (!suffix || suffix->empty()) return read_prompts(prompt, model.engine);
  if (!prompt.is_string()) refuse("'suffix' goes with a 'prompt' that is one text.", "suffix");
  return {fill_prompt({.before = prompt.get<std::string>(), .after = *suffix}, model.engine)};
}

Call read_call(const ServedModel& model, const http::Request& request) {
  const Json body = parse_object(request.body);
  const Fields fields(body);
  const Json* const prompt = fields.find("prompt");
  if (prompt == nullptr) refuse("'prompt' is missing.", "prompt");
  if (fields.integer("best_of", 1).value_or(1) > fields.integer("n", 1).value_or(1))
    refuse("'best_of': answers are not compared here; ask for 'n' of them.", "best_of");
  Call call{.options = read_answer_options(fields, model),
            .prompts = read_prompts_of(fields, *prompt, model)};
  const bool has_length = fields.find("max_tokens") != nullptr || fields.find("n_predict") != nullptr;
  if (!has_length && !model.max_tokens) call.options.max_tokens = kDefaultTokens;
  if (const auto n = fields.integer("logprobs", 0, kMaxLogprobs))
    call.options.n_logprobs = static_cast<int>(*n);
  const bool echoes = fields.boolean("echo").value_or(false);
  if (echoes && call.options.n_logprobs) refuse("'echo' does not go with 'logprobs'.", "echo");
  for (const std::vector<Token>& tokens : call.prompts) {
    call.echoes.emplace_back();
    if (!echoes) continue;
    for (const Token token : tokens) call.echoes.back() += model.engine.token_bytes(token);
  }
  call.streams = fields.boolean("stream").value_or(false);
  if (const Json* const stream = fields.object("stream_options")) {
    call.includes_usage = Fields(*stream, "stream_options.").boolean("include_usage").value_or(false);
  }
  return call;
}

Json envelope(const Call& call, const ServedModel& model) {
  return {{"id", call.id},
          {"object", "text_completion"},
          {"created", call.created},
          {"model", model.name},
          {"system_fingerprint", kFingerprint}};
}

// Characters that begin in the token; one may end in the next.
std::size_t count_characters(const Engine& engine, Token token) {
  const auto begins = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; };
  return static_cast<std::size_t>(std::ranges::count_if(engine.token_bytes(token), begins));
}

// OpenAI's older form of log probabilities: lists side by side. `offset` is the first token's in the answer,
// in characters, and then that of what follows.
Json logprobs_json(const Engine& engine, const std::vector<ScoredToken>& tokens, std::size_t& offset) {
  Json result = {{"text_offset", Json::array()},
                 {"token_logprobs", Json::array()},
                 {"tokens", Json::array()},
                 {"top_logprobs", Json::array()}};
  for (const ScoredToken& token : tokens) {
    Json top = Json::object();
    for (const TokenLogprob& t : token.scores.top)
      top[token_text(engine, t.token)] = finite_logprob(t.logprob);
    result["text_offset"].push_back(offset);
    result["token_logprobs"].push_back(finite_logprob(token.scores.sampled.logprob));
    result["top_logprobs"].push_back(std::move(top));
    offset += count_characters(engine, token.token);
    result["tokens"].push_back(token_text(engine, token.token));
  }
  return result;
}

Json choice_json(const Call& call, const ServedModel& model, int index, const Piece& piece,
                 std::size_t& offset) {
  return {{"text", piece.text},
          {"index", index},
          {"logprobs", call.options.n_logprobs ? logprobs_json(model.engine, piece.tokens, offset) : Json()},
          {"finish_reason", nullptr}};
}

http::Response answer_at_once(const Call& call, const ServedModel& model, AnswerStream& stream,
                              const http::Request& request) {
  std::vector<Piece> texts(call.n_choices());
  std::vector<const char*> reasons(call.n_choices(), "stop");
  UsageSum usage(call.options.n);
  for (std::size_t i = 0; i < texts.size(); ++i) texts[i].text = call.echo_of(static_cast<int>(i));
  follow(
      stream, [&] { return request.peer->is_connected(); },
      [&](Event event) {
        const auto index = static_cast<std::size_t>(event.choice);
        if (auto* const piece = std::get_if<Piece>(&event.what)) {
          texts[index].text += piece->text;
          for (ScoredToken& token : piece->tokens) texts[index].tokens.push_back(std::move(token));
          return true;
        }
        const auto& outcome = std::get<Outcome>(event.what);
        if (auto failure = failure_of(outcome)) {
          stream.cancel();
          throw std::move(*failure);
        }
        reasons[index] = finish_reason(outcome);
        usage.add(event.choice, outcome.usage);
        return true;
      });
  Json json = envelope(call, model);
  json["choices"] = Json::array();
  for (std::size_t i = 0; i < texts.size(); ++i) {
    std::size_t offset = 0;
    Json choice = choice_json(call, model, static_cast<int>(i), texts[i], offset);
    choice["finish_reason"] = reasons[i];
    json["choices"].push_back(std::move(choice));
  }
  json["usage"] = usage.json();
  json["timings"] = usage.timings();
  return {.body = dump(json)};
}

void write_all(const Call& call, const ServedModel& model, AnswerStream& stream, http::Writer& writer) {
  UsageSum usage(call.options.n);
  std::vector<std::size_t> offsets(call.n_choices());
  std::size_t n_ended = 0;
  const auto write = [&](Json choice) {
    const bool is_last = n_ended == call.n_choices();
    Json chunk = envelope(call, model);
    chunk["choices"] = Json::array({std::move(choice)});
    if (call.includes_usage) {
      chunk["usage"] = nullptr;
    } else if (is_last) {
      chunk["timings"] = usage.timings();  // as llama-server
    }
    return writer.write(http::sse(dump(chunk)));
  };
  for (int i = 0; i < static_cast<int>(call.n_choices()); ++i) {
    if (call.echo_of(i).empty()) continue;
    write(choice_json(call, model, i, {.text = call.echo_of(i)}, offsets[static_cast<std::size_t>(i)]));
  }
  const bool is_complete = follow(
      stream, [&] { return writer.is_connected(); },
      [&](const Event& event) {
        if (const auto* const piece = std::get_if<Piece>(&event.what)) {
          return write(choice_json(call, model, event.choice, *piece,
                                   offsets[static_cast<std::size_t>(event.choice)]));
        }
        const auto& outcome = std::get<Outcome>(event.what);
        if (const auto failure = failure_of(outcome)) {
          write_error(writer, *failure);
          writer.write(http::sse("[DONE]"));
          return false;
        }
        usage.add(event.choice, outcome.usage);
        ++n_ended;
        return write({{"text", ""},
                      {"index", event.choice},
                      {"logprobs", nullptr},
                      {"finish_reason", finish_reason(outcome)}});
      });
  if (!is_complete) return;
  if (call.includes_usage) {
    Json chunk = envelope(call, model);
    chunk["choices"] = Json::array();
    chunk["usage"] = usage.json();
    chunk["timings"] = usage.timings();
    writer.write(http::sse(dump(chunk)));
  }
  writer.write(http::sse("[DONE]"));
}

}  // namespace

http::Response completions(const ServedModel& model, const http::Request& request) {
  auto call = std::make_shared<Call>(read_call(model, request));
  const auto stream = start_answers(model, call->prompts, call->options, request.peer);
  if (!call->streams) return answer_at_once(*call, model, *stream, request);
  return http::event_stream(
      [call, &model, stream](http::Writer& writer) { write_all(*call, model, *stream, writer); });
}

}  // namespace tq::server::openai
