// Any bytes as a GGUF file: an error that can be shown, or views that can all be read and keep what gguf.h
// promises. A vocabulary, if there is one, becomes a tokenizer; a whole small model is loaded and runs.
//
//   cmake --preset asan && cmake --build --preset asan --target fuzzers
//   build/asan/fuzz/gguf_fuzz [-max_total_time=300] WORK fuzz/corpus/gguf    keeps new inputs in the folder
//   WORK build/asan/fuzz/gguf_fuzz FINDING                                        runs one input again
//
// The seeds are made by make_seeds.py.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "attention/attention.h"
#include "gguf/dequantize.h"
#include "gguf/gguf.h"
#include "kvcache/kv_cache.h"
#include "model/model.h"
#include "tokenizer/tokenizer.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

// One sentence, and nothing that steers a terminal.
void check_error(const tq::Error& error) {
  require(!error.message.empty() && error.message.back() == '.');
  require(std::ranges::none_of(error.message, [](unsigned char c) { return c < 0x20 || c == 0x7f; }));
}

void check_metadata(const tq::GgufFile& file) {
  for (const auto& [key, value] : file.metadata()) {
    require(file.find(key) == &value);
    const std::string text = tq::describe(value, 1 << 16);
    require(std::ranges::none_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; }));
  }
}

void check_tensor(const tq::TensorView& tensor, std::span<const std::byte> bytes) {
  const auto traits = tq::ggml_type_traits(tensor.type);
  require(traits && tensor.shape[0] % traits->block_size == 0);
  const auto blocks = static_cast<std::uint64_t>(tensor.element_count() / traits->block_size);
  require(tensor.data.size() == blocks * traits->block_bytes);
  require(tensor.data.data() >= bytes.data() && (tensor.data.data() - bytes.data()) % 8 == 0);
  require(&tensor.data.back() < bytes.data() + bytes.size());
  const volatile std::byte touched = tensor.data.front() ^ tensor.data.back();
  static_cast<void>(touched);
  if (!tq::can_dequantize(tensor.type)) return;
  std::vector<float> row(static_cast<std::size_t>(tensor.shape[0]));
  tq::dequantize_row(tensor.type, tensor.data.data(), tensor.shape[0], row.data());
}

void check_tokenizer(const tq::GgufFile& file) {
  const auto tokenizer = tq::Tokenizer::from_gguf(file);
  if (!tokenizer) return;
  for (const tq::Token token :
       tokenizer->encode("Hello, <|im_end|> w\xc3\xb6rld 123\n\xff", tq::SpecialText::kParse)) {
    require(token >= 0 && token < tokenizer->vocab_size());
    static_cast<void>(tokenizer->token_bytes(token));
  }
}

constexpr std::int64_t kContext = 8;

// Loads the model if it is one, and runs it if that is quick: weights may be any numbers, NaN included.
void check_model(const tq::GgufFile& file) {
  const auto model = tq::Model::open(file);
  if (!model) return check_error(model.error());
  tq::ThreadPool pool(1);
  if (const auto ok = (*model)->load_weights(file, kContext, pool); !ok) return check_error(ok.error());
  const tq::ModelConfig& config = (*model)->config();
  if (config.n_layers > 4 || std::max({config.n_embd, config.n_ff, config.n_vocab, config.n_heads}) > 512)
    return;
  const auto plan = tq::make_cache_plan(config.n_kv_layers, tq::KvType::kTurbo4, tq::KvType::kF16, 0);
  auto codecs = tq::CodecSet::create(*plan, config.head_dim, tq::Isa::kScalar);
  if (!codecs) return check_error(codecs.error());
  auto cache = tq::KvCache::create(*codecs, (*model)->kv_shape(), kContext);
  auto workspace = tq::Workspace::create(config);
  require(cache && workspace);
  const tq::Kernels& kernels = tq::kernels_for(tq::Isa::kScalar);
  tq::Compute compute(kernels, pool);
  tq::Attention attention(kernels, pool);
  const std::vector<tq::Token> tokens = {0, config.n_vocab - 1, 0};
  const std::span<const tq::Token> all(tokens);
  auto state = tq::RecurrentState::create((*model)->recurrent_shape());
  require(static_cast<bool>(state));
  const auto forward = [&](std::span<const tq::Token> rows, std::int64_t position) {
    const tq::SequenceRows sequence{&*cache, position, 0, static_cast<std::int64_t>(rows.size()), &*state};
    (*model)->forward({rows, std::span(&sequence, 1)}, compute, attention, *workspace);
  };
  forward(all.first(2), 0);
  forward(all.last(1), 2);
  (*model)->logits(0, 1, compute, *workspace);
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): the name that libFuzzer calls
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto file = tq::GgufFile::parse(bytes, "input.gguf");
  if (!file) {
    check_error(file.error());
    return 0;
  }
  check_metadata(*file);
  for (const tq::TensorView& tensor : file->tensors()) {
    require(file->find_tensor(tensor.name) == &tensor);
    check_tensor(tensor, bytes);
  }
  check_tokenizer(*file);
  check_model(*file);
  return 0;
}
