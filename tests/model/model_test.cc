// Binding a file's tensors and settings to a model: everything that can be missing or wrong is an error that
// names it.
#include "model/model.h"

#include <functional>

#include "tiny_model.h"

namespace tq {
namespace {

// The error of loading `tiny`, or "loads".
std::string load_error(const TinyModel& tiny, ErrorCode code = ErrorCode::kBadFile) {
  const Parsed parsed(tiny.bytes());
  if (!parsed.file) return "does not parse: " + parsed.error();
  ThreadPool pool(2);
  const auto model = Model::open(*parsed.file);
  const auto loaded = model ? (*model)->load_weights(*parsed.file, 512, pool) : Expected<void>(model.error());
  if (loaded) return "loads";
  EXPECT_EQ(loaded.error().code, code) << loaded.error().message;
  EXPECT_EQ(loaded.error().message.rfind("x.gguf: ", 0), 0U) << loaded.error().message;
  EXPECT_EQ(loaded.error().message.back(), '.') << loaded.error().message;
  return loaded.error().message;
}

void expect_in(const std::string& part, const std::string& message) {
  EXPECT_NE(message.find(part), std::string::npos) << message << "\nwanted: " << part;
}

TEST(Model, ReadsItsConfiguration) {
  const Parsed parsed(TinyModel{.tied = false}.bytes());
  ASSERT_TRUE(parsed.file) << parsed.error();
  const auto model = Model::open(*parsed.file);
  ASSERT_TRUE(model) << model.error().message;
  const ModelConfig& c = (*model)->config();
  EXPECT_EQ(c.architecture, "llama");
  EXPECT_EQ(c.n_layers, 2);
  EXPECT_EQ(c.n_embd, 64);
  EXPECT_EQ(c.n_heads, 4);
  EXPECT_EQ(c.n_kv_heads, 2);
  EXPECT_EQ(c.head_dim, 16);
  EXPECT_EQ(c.n_ff, 96);
  EXPECT_EQ(c.n_vocab, 300);
  EXPECT_EQ(c.n_ctx_train, 1200);
  EXPECT_FLOAT_EQ(c.norm_eps, 1e-5F);
  EXPECT_FLOAT_EQ(c.attention_scale, 0.25F);
  EXPECT_EQ(c.ropes.front().n_rot, 16);
}

TEST(Model, EveryKeyAndTensorIsAskedForByName) {
  ASSERT_EQ(load_error({}), "loads");
  for (const char* key : {"llama.block_count", "llama.embedding_length", "llama.attention.head_count",
                          "llama.feed_forward_length", "llama.context_length",
                          "llama.attention.layer_norm_rms_epsilon", "general.architecture"}) {
    expect_in(key, load_error({.without = key}));
  }
  for (const char* tensor :
       {"token_embd.weight", "output_norm.weight", "blk.0.attn_norm.weight", "blk.1.attn_q.weight",
        "blk.0.attn_k.weight", "blk.1.attn_v.weight", "blk.0.attn_output.weight", "blk.1.ffn_norm.weight",
        "blk.0.ffn_gate.weight", "blk.1.ffn_up.weight", "blk.1.ffn_down.weight"}) {
    expect_in(tensor, load_error({.without = tensor}));
  }
}

TEST(Model, EveryShapeIsChecked) {
  for (const char* name :
       {"token_embd.weight", "output_norm.weight", "blk.0.attn_q.weight", "blk.0.attn_k.weight",
        "blk.1.ffn_down.weight", "blk.1.ffn_norm.weight", "output.weight"}) {
    TinyModel tiny{.tied = false};
    tiny.reshape = [&](const std::string& tensor, std::vector<std::uint64_t>& shape) {
      if (tensor == name) shape.front() += 32;
    };
    const std::string message = load_error(tiny);
    expect_in(name, message);
    expect_in("shape", message);
  }
}

// What get_pattern_or makes of a file with one key.
std::vector<bool> pattern_of(const std::function<void(GgufWriter&)>& write, std::string* error = nullptr) {
  GgufWriter writer;
  writer.string("general.architecture", "gemma3");
  write(writer);
  const Parsed parsed(writer.bytes());
  EXPECT_TRUE(parsed.file) << parsed.error();
  ConfigReader keys(*parsed.file, "gemma3");
  const auto pattern = keys.get_pattern_or("pattern", 4, 3);
  EXPECT_EQ(pattern.size(), 4U);
  EXPECT_EQ(keys.error().has_value(), error != nullptr);
  if (error != nullptr) *error = keys.error() ? keys.error()->message : "no error";
  return pattern;
}

TEST(Model, PatternsOfLayers) {
  const std::string key = "gemma3.pattern";
  using Pattern = std::vector<bool>;
  EXPECT_EQ(pattern_of([](GgufWriter&) {}), (Pattern{true, true, false, true}));
  EXPECT_EQ(pattern_of([&](GgufWriter& w) { w.key(key, Gguf::u32, Bytes().put(std::uint32_t{2})); }),
            (Pattern{true, false, true, false}));
  EXPECT_EQ(pattern_of([&](GgufWriter& w) { w.key(key, Gguf::u32, Bytes().put(std::uint32_t{1})); }),
            (Pattern{false, false, false, false}));
  EXPECT_EQ(pattern_of([&](GgufWriter& w) {
              w.array(key, Gguf::boolean, 4, Bytes().raw({"\1\0\0\1", 4}));
            }),
            (Pattern{true, false, false, true}));
  EXPECT_EQ(pattern_of([&](GgufWriter& w) {
              w.array(key, Gguf::u8, 4, Bytes().raw({"\0\2\1\0", 4}));
            }),
            (Pattern{false, true, true, false}));
  std::string error;
  pattern_of([&](GgufWriter& w) { w.array(key, Gguf::boolean, 3, Bytes().raw({"\1\0\0", 3})); }, &error);
  expect_in("one entry for each of the 4 layers", error);
  pattern_of([&](GgufWriter& w) { w.key(key, Gguf::u32, Bytes().put(std::uint32_t{0})); }, &error);
  expect_in(key, error);
  pattern_of(
      [&](GgufWriter& w) { w.array(key, Gguf::string, 4, Bytes().text("").text("").text("").text("")); },
      &error);
  expect_in("one entry for each of the 4 layers", error);
}

// One matrix that holds several is bound in parts: Q, K and V, or gate and up.
TEST(Model, FusedMatricesAreAskedForWhole) {
  TinyModel tiny{.architecture = "phi3"};
  expect_in("blk.0.ffn_up.weight", load_error(tiny));
  tiny.reshape = [](const std::string& name, std::vector<std::uint64_t>& shape) {
    if (name.ends_with("ffn_up.weight")) shape.back() *= 2;
  };
  EXPECT_EQ(load_error(tiny), "loads");
}

TEST(Model, NormsThatArchitecturesAdd) {
  expect_in("blk.0.attn_q_norm.weight", load_error({.architecture = "qwen3"}));
  expect_in("blk.0.post_attention_norm.weight",
            load_error({.architecture = "gemma2", .without = "blk.0.post_attention_norm.weight"}));
  EXPECT_EQ(load_error({.architecture = "qwen2"}), "loads");
}

TEST(Model, ATypeThatCannotBeReadIsNamedWithItsTensor) {
  struct Odd {
    const char* tensor;
    GgmlType type;
    const char* name;
  };
  for (const Odd& odd : {Odd{"blk.1.ffn_down.weight", GgmlType::kIQ2_XXS, "IQ2_XXS"},
                         Odd{"blk.1.ffn_down.weight", GgmlType::kIQ3_S, "IQ3_S"},
                         Odd{"blk.0.ffn_down.weight", GgmlType::kTQ1_0, "TQ1_0"},
                         Odd{"blk.0.ffn_down.weight", GgmlType::kQ1_0, "Q1_0"},
                         Odd{"token_embd.weight", GgmlType::kI32, "I32"},
                         Odd{"blk.1.attn_norm.weight", GgmlType::kI16, "I16"}}) {
    const TinyModel tiny{.n_ff = 256, .tied = false, .odd_tensor = odd.tensor, .odd_type = odd.type};
    const std::string message = load_error(tiny, ErrorCode::kUnsupported);
    expect_in("'" + std::string(odd.tensor) + "'", message);
    expect_in("the type " + std::string(odd.name) + ",", message);
    expect_in("another quantisation", message);
  }
}

TEST(Model, UnknownArchitectureNamesTheKnownOnes) {
  const std::string message = load_error({.architecture = "mamba"}, ErrorCode::kUnsupported);
  expect_in("mamba", message);
  expect_in("llama", message);
}

TEST(Model, SizesThatDoNotFitTogether) {
  expect_in("head_count", load_error({.n_heads = 4, .n_kv_heads = 3}));
  expect_in("block_count", load_error({.n_layers = 0}));
  expect_in("head_count", load_error({.n_heads = 5}));  // 64 values do not split in five
}

}  // namespace
}  // namespace tq
