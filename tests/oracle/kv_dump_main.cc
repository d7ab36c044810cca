// kv_dump, for tests and benches only: a text -> the keys and values that a cache holds after it (standard
// output), through Engine and Session, so for every architecture the engine runs.
//
//   kv_dump --model F --text FILE [--tokens N] [--type-k T] [--type-v T] [--threads N]
//
// Output: layers, kv_heads, head_dim and tokens as int32, then the keys [layer][kv_head][token][head_dim] as
// float32 in the model's domain (after RoPE, rotated back), then the values alike. The types are f16 unless
// said, the tokens the text's first 2000.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine_impl.h"
#include "tq/engine.h"

namespace {

[[noreturn]] void fail(const std::string& message) {
  std::fprintf(stderr, "kv_dump: %s\n", message.c_str());
  std::exit(1);
}

template <class T>
T unwrap(tq::Expected<T> value) {
  if (!value) fail(value.error().message);
  return *std::move(value);
}

struct Arguments {
  tq::EngineOptions engine;
  std::string text;
  std::size_t n_tokens = 2000;
};

Arguments parse(int argc, char** argv) {
  Arguments a;
  a.engine.type_k = a.engine.type_v = tq::KvType::kF16;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    const std::string value = argv[i + 1];
    if (name == "--model")
      a.engine.model_path = value;
    else if (name == "--text")
      a.text = value;
    else if (name == "--tokens")
      a.n_tokens = std::stoull(value);
    else if (name == "--type-k")
      a.engine.type_k = unwrap(tq::parse_kv_type(value));
    else if (name == "--type-v")
      a.engine.type_v = unwrap(tq::parse_kv_type(value));
    else if (name == "--threads")
      a.engine.n_threads = std::stoi(value);
    else
      fail("unknown option " + std::string(name));
  }
  a.engine.n_ctx = static_cast<std::int64_t>(a.n_tokens);
  return a;
}

std::vector<tq::Token> tokens_of(const tq::Engine& engine, const Arguments& a) {
  std::ifstream file(a.text, std::ios::binary);
  if (!file) fail("cannot read \"" + a.text + "\"");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  std::vector<tq::Token> tokens = engine.encode(text, tq::SpecialText::kPlain, true);
  if (tokens.empty()) fail("the text is empty");
  tokens.resize(std::min(tokens.size(), a.n_tokens));
  return tokens;
}

template <class T>
void write(std::span<const T> values) {
  if (std::fwrite(values.data(), sizeof(T), values.size(), stdout) != values.size()) fail("cannot write");
}

// The rows of n_tokens in pages [page] of one head.
template <class PageOf>
void write_rows(const tq::KvCodec& codec, std::int64_t n_tokens, PageOf page_of) {
  const auto head_dim = static_cast<std::size_t>(codec.head_dim());
  std::vector<float> rows(head_dim * tq::kPageTokens);
  for (std::int64_t first = 0; first < n_tokens; first += tq::kPageTokens) {
    const int n = static_cast<int>(std::min<std::int64_t>(tq::kPageTokens, n_tokens - first));
    codec.decode(page_of(first / tq::kPageTokens), 0, n, rows.data());
    for (int t = 0; t < n; ++t) codec.unrotate(rows.data() + static_cast<std::size_t>(t) * head_dim);
    write(std::span<const float>(rows).first(static_cast<std::size_t>(n) * head_dim));
  }
}

void write_cache(tq::KvCache& cache, std::int64_t n_tokens) {
  const tq::KvShape& shape = cache.shape();
  const std::int32_t header[] = {shape.n_layers, shape.n_kv_heads, shape.head_dim,
                                 static_cast<std::int32_t>(n_tokens)};
  write(std::span<const std::int32_t>(header));
  for (const bool keys : {true, false}) {
    for (int layer = 0; layer < shape.n_layers; ++layer) {
      const tq::KvCodec& codec = keys ? cache.codecs().k(layer) : cache.codecs().v(layer);
      for (int head = 0; head < shape.n_kv_heads; ++head) {
        write_rows(codec, n_tokens, [&](std::int64_t page) {
          return keys ? cache.k_page(layer, head, page) : cache.v_page(layer, head, page);
        });
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments a = parse(argc, argv);
  const auto engine = unwrap(tq::Engine::load(a.engine));
  const std::vector<tq::Token> tokens = tokens_of(*engine, a);
  const auto session = unwrap(engine->create_session());
  unwrap(session->sync(tokens));
  write_cache(static_cast<tq::SessionImpl&>(*session).timeline().cache,
              static_cast<std::int64_t>(tokens.size()));
  return std::fflush(stdout) == 0 ? 0 : 1;
}
