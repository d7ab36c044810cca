// tq_eval, for tests only: token ids (int32, standard input) -> logits (float32, standard output), through
// the public Engine and Session alone, so that what is measured is what users run.
//
//   tq_eval logits --model F [--type-k T] [--type-v T] [--threads N] [--n-ctx N] [--chunk N]
//   [--layer-adaptive N] tq_eval greedy --count N ...
//
// Output: n_vocab as int32, then rows of n_vocab floats: of every position (logits), or those that each of N
// greedy tokens was taken from (greedy). --chunk N feeds N tokens a call: 1 measures decode, the default one
// long prefill.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tq/engine.h"

namespace {

struct Arguments {
  std::string verb;
  tq::EngineOptions engine;
  std::size_t chunk = 0;  // 0: all at once
  int count = 0;
};

[[noreturn]] void fail(const std::string& message) {
  std::fprintf(stderr, "tq_eval: %s\n", message.c_str());
  std::exit(1);
}

template <class T>
T unwrap(tq::Expected<T> value) {
  if (!value) fail(value.error().message);
  return *std::move(value);
}

Arguments parse(int argc, char** argv) {
  if (argc < 2) fail("a verb is needed: logits or greedy");
  Arguments a;
  a.verb = argv[1];
  for (int i = 2; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    const std::string value = argv[i + 1];
    if (name == "--model")
      a.engine.model_path = value;
    else if (name == "--type-k")
      a.engine.type_k = unwrap(tq::parse_kv_type(value));
    else if (name == "--type-v")
      a.engine.type_v = unwrap(tq::parse_kv_type(value));
    else if (name == "--threads")
      a.engine.n_threads = std::stoi(value);
    else if (name == "--n-ctx")
      a.engine.n_ctx = std::stoll(value);
    else if (name == "--layer-adaptive")
      a.engine.layer_adaptive = std::stoi(value);
    else if (name == "--chunk")
      a.chunk = std::stoull(value);
    else if (name == "--count")
      a.count = std::stoi(value);
    else
      fail("unknown option " + std::string(name));
  }
  return a;
}

std::vector<tq::Token> read_tokens() {
  std::vector<tq::Token> tokens;
  tq::Token token = 0;
  while (std::fread(&token, sizeof token, 1, stdin) == 1) tokens.push_back(token);
  if (tokens.empty()) fail("no tokens on standard input");
  return tokens;
}

template <class T>
void write(std::span<const T> values) {
  if (std::fwrite(values.data(), sizeof(T), values.size(), stdout) != values.size()) fail("cannot write");
}

void run_logits(tq::Session& session, const std::vector<tq::Token>& tokens, std::size_t chunk) {
  const std::size_t step = chunk == 0 ? tokens.size() : chunk;
  for (std::size_t end = 0; end < tokens.size();) {
    end = std::min(end + step, tokens.size());
    const auto visitor = [](std::int64_t, std::span<const float> logits) { write(logits); };
    unwrap(session.sync(std::span(tokens).first(end), visitor));
  }
}

void run_greedy(tq::Session& session, std::vector<tq::Token> tokens, int count) {
  for (int i = 0; i < count; ++i) {
    const std::span<const float> logits = unwrap(session.sync(tokens));
    write(logits);
    tokens.push_back(static_cast<tq::Token>(std::distance(logits.begin(), std::ranges::max_element(logits))));
  }
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments a = parse(argc, argv);
  const std::vector<tq::Token> tokens = read_tokens();
  const auto engine = unwrap(tq::Engine::load(a.engine));
  const auto session = unwrap(engine->create_session());
  const std::int32_t n_vocab = engine->info().n_vocab;
  write(std::span<const std::int32_t>(&n_vocab, 1));
  if (a.verb == "logits")
    run_logits(*session, tokens, a.chunk);
  else if (a.verb == "greedy")
    run_greedy(*session, tokens, a.count);
  else
    fail("unknown verb " + a.verb);
  return std::fflush(stdout) == 0 ? 0 : 1;
}
