// Binding a file's tensors and settings to a model: everything that can be missing or wrong is an error that
// names it.
#include "model/model.h"

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
