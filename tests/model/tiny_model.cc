#include "tiny_model.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <random>

#include "../base/gaussian.h"
#include "base/f16.h"

namespace tq {
namespace {

// GPT-2's text for a byte: itself where printable, else a letter from U+0100 on.
std::string byte_text(int byte) {
  static const auto is_plain = [](int b) {
    return (b >= 0x21 && b < 0x7f) || (b >= 0xa1 && b < 0xad) || (b >= 0xae && b < 0x100);
  };
  int code = byte;
  if (!is_plain(byte)) {
    code = 0x100;
    for (int b = 0; b < byte; ++b) code += is_plain(b) ? 0 : 1;
  }
  if (code < 0x80) return {static_cast<char>(code)};
  return {static_cast<char>(0xc0 | code >> 6), static_cast<char>(0x80 | (code & 63))};
}

class Writer {
 public:
  explicit Writer(const TinyModel& model) : model_(model), random_(model.seed) {}

  template <class T>
  void key(const std::string& name, Gguf type, T value) {
    if (name != model_.without) file_.key(name, type, Bytes().put(value));
  }
  void u32(const std::string& name, int value) { key(name, Gguf::u32, static_cast<std::uint32_t>(value)); }
  void string(const std::string& name, const std::string& value) {
    if (name != model_.without) file_.string(name, value);
  }
  void strings(const std::string& name, const std::vector<std::string>& values) {
    Bytes elements;
    for (const std::string& value : values) elements.text(value);
    array(name, Gguf::string, values.size(), elements);
  }
  void array(const std::string& name, Gguf type, std::size_t n, const Bytes& elements) {
    if (name != model_.without) file_.array(name, type, n, elements);
  }

  void tensor(const std::string& name, int n_in, int n_out, float mean = 0) {
    if (name == model_.without) return;
    const bool is_vector = n_out == 1;
    std::vector<std::uint64_t> shape = {static_cast<std::uint64_t>(n_in)};
    if (!is_vector) shape.push_back(static_cast<std::uint64_t>(n_out));
    if (model_.reshape) model_.reshape(name, shape);
    std::size_t n = 1;
    for (const std::uint64_t extent : shape) n *= extent;
    const float spread = is_vector ? 0.2F : 1.0F / std::sqrt(static_cast<float>(n_in));
    if (name == model_.odd_tensor) {
      const GgmlTypeTraits traits = *ggml_type_traits(model_.odd_type);
      const std::size_t n_bytes = n / static_cast<std::size_t>(traits.block_size) * traits.block_bytes;
      file_.tensor(name, shape, model_.odd_type, Bytes().raw(std::string(n_bytes, '\0')));
      return;
    }
    const GgmlType type = is_vector ? GgmlType::kF32 : model_.weight_type;
    file_.tensor(name, shape, type, type == GgmlType::kQ8_0 ? blocks(n, spread) : floats(n, mean, spread));
  }

  std::vector<std::byte> bytes() const { return file_.bytes(); }

 private:
  Bytes floats(std::size_t n, float mean, float spread) {
    Bytes data;
    Gaussian normal(mean, spread);
    for (std::size_t i = 0; i < n; ++i) data.put(normal(random_));
    return data;
  }
  Bytes blocks(std::size_t n, float spread) {
    Bytes data;
    for (std::size_t i = 0; i < n / 32; ++i) {
      data.put(f32_to_f16(spread / 73));  // bytes drawn evenly have a spread of 73
      for (int k = 0; k < 32; ++k) data.put(static_cast<std::int8_t>(random_() % 255 - 127));
    }
    return data;
  }

  const TinyModel& model_;
  GgufWriter file_;
  std::mt19937 random_;
};

void write_tokenizer(Writer& w, const TinyModel& model) {
  constexpr std::int32_t kNormal = 1;
  constexpr std::int32_t kControl = 3;
  const int n_vocab = model.n_vocab;
  std::vector<std::string> tokens;
  for (int b = 0; b < std::min(256, n_vocab); ++b) tokens.push_back(byte_text(b));
  Bytes types;
  for (std::size_t i = 0; i < tokens.size(); ++i) types.put(kNormal);
  for (const std::string& token : model.control_tokens) {
    tokens.push_back(token);
    types.put(kControl);
  }
  for (int i = static_cast<int>(tokens.size()); i < n_vocab; ++i) {
    tokens.push_back(model.token_prefix + std::to_string(i));
    types.put(kNormal);
  }
  w.string("tokenizer.ggml.model", "gpt2");
  w.string("tokenizer.ggml.pre", "gpt-2");
  w.strings("tokenizer.ggml.tokens", tokens);
  w.strings("tokenizer.ggml.merges", {"a b"});
  w.u32("tokenizer.ggml.eos_token_id", n_vocab - 1);
  if (!model.control_tokens.empty()) w.array("tokenizer.ggml.token_type", Gguf::i32, tokens.size(), types);
  if (!model.chat_template.empty()) w.string("tokenizer.chat_template", model.chat_template);
}

// Recurrent heads: one of keys, two of values.
constexpr int kStateDim = 16;
constexpr int kStateValues = 2 * kStateDim;
constexpr int kStateInputs = 2 * kStateDim + kStateValues;
constexpr int kTaps = 4;

void write_recurrent_keys(Writer& w, const std::string& prefix) {
  w.u32(prefix + "full_attention_interval", 2);
  w.u32(prefix + "ssm.state_size", kStateDim);
  w.u32(prefix + "ssm.group_count", 1);
  w.u32(prefix + "ssm.time_step_rank", 2);
  w.u32(prefix + "ssm.inner_size", kStateValues);
  w.u32(prefix + "ssm.conv_kernel", kTaps);
}

void write_recurrent_mixer(Writer& w, const std::string& block, int n_embd) {
  w.tensor(block + "attn_qkv.weight", n_embd, kStateInputs);
  w.tensor(block + "attn_gate.weight", n_embd, kStateValues);
  w.tensor(block + "ssm_alpha.weight", n_embd, 2);
  w.tensor(block + "ssm_beta.weight", n_embd, 2);
  w.tensor(block + "ssm_dt.bias", 2, 1);
  w.tensor(block + "ssm_a", 2, 1, -1.0F);
  w.tensor(block + "ssm_conv1d.weight", kTaps, kStateInputs);
  w.tensor(block + "ssm_norm.weight", kStateDim, 1, 1.0F);
  w.tensor(block + "ssm_out.weight", kStateValues, n_embd);
}

}  // namespace

std::vector<std::byte> TinyModel::bytes() const {
  Writer w(*this);
  const std::string prefix = architecture + ".";
  const bool is_hybrid = architecture == "qwen35";
  w.string("general.architecture", architecture);
  w.u32(prefix + "block_count", n_layers);
  w.u32(prefix + "embedding_length", n_embd);
  w.u32(prefix + "attention.head_count", n_heads);
  w.u32(prefix + "attention.head_count_kv", n_kv_heads);
  w.u32(prefix + "feed_forward_length", n_ff);
  w.u32(prefix + "context_length", n_ctx);
  w.key(prefix + "attention.layer_norm_rms_epsilon", Gguf::f32, 1e-5F);
  if (is_hybrid) write_recurrent_keys(w, prefix);
  if (window > 0) w.u32(prefix + "attention.sliding_window", window);
  write_tokenizer(w, *this);

  const int head_dim = n_embd / n_heads;
  w.tensor("token_embd.weight", n_embd, n_vocab);
  w.tensor("output_norm.weight", n_embd, 1, 1.0F);
  if (!tied) w.tensor("output.weight", n_embd, n_vocab);
  for (int i = 0; i < n_layers; ++i) {
    const std::string block = "blk." + std::to_string(i) + ".";
    w.tensor(block + "attn_norm.weight", n_embd, 1, 1.0F);
    if (is_hybrid && i % 2 == 0) {
      write_recurrent_mixer(w, block, n_embd);
    } else {
      w.tensor(block + "attn_q.weight", n_embd, is_hybrid ? 2 * n_embd : n_embd);
      w.tensor(block + "attn_k.weight", n_embd, n_kv_heads * head_dim);
      w.tensor(block + "attn_v.weight", n_embd, n_kv_heads * head_dim);
      w.tensor(block + "attn_output.weight", n_embd, n_embd);
      if (is_hybrid) {
        w.tensor(block + "attn_q_norm.weight", head_dim, 1, 1.0F);
        w.tensor(block + "attn_k_norm.weight", head_dim, 1, 1.0F);
      }
    }
    w.tensor(block + (is_hybrid ? "post_attention_norm.weight" : "ffn_norm.weight"), n_embd, 1, 1.0F);
    if (architecture == "gemma2") {
      w.tensor(block + "post_attention_norm.weight", n_embd, 1, 1.0F);
      w.tensor(block + "post_ffw_norm.weight", n_embd, 1, 1.0F);
    }
    w.tensor(block + "ffn_gate.weight", n_embd, n_ff);
    w.tensor(block + "ffn_up.weight", n_embd, n_ff);
    w.tensor(block + "ffn_down.weight", n_ff, n_embd);
  }
  return w.bytes();
}

TempFile::TempFile(const std::vector<std::byte>& bytes) {
  static std::atomic<int> count{0};
  path_ = ::testing::TempDir() + "tiny_model_" + std::to_string(::getpid()) + "_" + std::to_string(count++) +
          ".gguf";
  std::ofstream file(path_, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  EXPECT_TRUE(file.good()) << path_;
}

TempFile::~TempFile() { std::remove(path_.c_str()); }

}  // namespace tq
