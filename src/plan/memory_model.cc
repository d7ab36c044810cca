#include "plan/memory_model.h"

#include <algorithm>

#include "attention/attention.h"
#include "model/model.h"
#include "model/pass.h"
#include "ops/linear.h"
#include "tokenizer/tokenizer.h"
#include "tq/engine.h"

namespace tq {
namespace plan {
namespace {

// A process that has loaded nothing: code, libraries, stacks, buffers. Measured (docs/planner.md).
constexpr std::size_t kProgramBytes = std::size_t{8} << 20;
// Token ids stand in a session's timeline and in the caller's prompt, in vectors that grow by doubling.
constexpr std::size_t kBytesPerToken = 2 * sizeof(Token);
// The file's head while it is read: its pages, and views of twice their size.
constexpr std::size_t kMetadataCopies = 3;

// Of the widest inputs of each kind, as many rows of them as a batch has.
std::size_t scratch_bytes(const ModelConfig& c) {
  std::int64_t widest = std::max<std::int64_t>(c.n_embd, static_cast<std::int64_t>(c.n_heads) * c.head_dim);
  if (c.delta_net) widest = std::max(widest, c.delta_net->n_value());
  if (c.mixture) return Compute::scratch_bytes(std::max(widest, c.mixture->n_ff), kMaxBatch);
  return std::max(Compute::scratch_bytes(widest, max_batch_of(c)),
                  Compute::scratch_bytes(c.n_ff, kFeedForwardRows));
}

std::size_t head_bytes(const GgufFile& file) {
  std::size_t bytes = file.file_size();
  for (const TensorView& tensor : file.tensors()) bytes -= tensor.data.size();
  return bytes;
}

}  // namespace

Expected<MemoryModel> MemoryModel::read(const GgufFile& file) {
  const auto model = Model::open(file);
  if (!model) return model.error();
  MemoryModel result;
  result.config_ = (*model)->config();
  result.shape_ = (*model)->kv_shape();
  result.window_ = (*model)->layer_window();
  result.recurrent_ = (*model)->recurrent_shape();
  const auto weights = (*model)->measure_weights(file, result.config_.n_ctx_train);
  if (!weights) return weights.error();
  result.weights_ = *weights;
  result.vocabulary_ = Tokenizer::memory_needed(file);
  result.head_bytes_ = head_bytes(file);
  return result;
}

Expected<BlockBytes> MemoryModel::block_bytes(const CachePlan& plan, bool swa_full) const {
  if (plan.layers.size() != static_cast<std::size_t>(shape_.n_layers)) {
    return Error{ErrorCode::kBadArgument, "the cache plan is for " + std::to_string(plan.layers.size()) +
                                              " layers, but this model has a cache in " +
                                              std::to_string(shape_.n_layers) + "."};
  }
  return tq::block_bytes(plan, shape_, swa_full ? LayerWindow{} : window_);
}

MemoryUse MemoryModel::use(const BlockBytes& block, std::int64_t n_ctx, int n_parallel, int n_threads) const {
  const auto n_sessions = static_cast<std::size_t>(n_parallel);
  const int head_dim = config_.head_dim;
  MemoryUse use;
  use.program = kProgramBytes;
  use.weights = weights_.packed + weights_.floats;
  use.in_file = weights_.in_file;
  use.vocabulary = vocabulary_;
  use.workspace = Workspace::bytes(config_, n_parallel) + scratch_bytes(config_) +
                  Attention::scratch_bytes(head_dim, n_threads) +
                  n_sessions * Attention::partial_bytes(config_.n_heads, head_dim, n_ctx);
  use.cache = tq::cache_bytes(block, window_.n_tokens, n_ctx, n_parallel, max_batch_of(config_));
  use.states = n_sessions * kStateCopies * recurrent_.bytes();
  use.sessions = n_sessions * (static_cast<std::size_t>(n_ctx) * kBytesPerToken +
                               static_cast<std::size_t>(config_.n_vocab) * sizeof(float));
  use.loading = use.program + use.vocabulary + kMetadataCopies * head_bytes_;
  return use;
}

std::int64_t MemoryModel::longest_context(const BlockBytes& block, std::size_t budget, int n_parallel,
                                          int n_threads) const {
  const auto fits = [&](std::int64_t n_ctx) {
    return use(block, n_ctx, n_parallel, n_threads).peak() <= budget;
  };
  if (!fits(1)) return 0;
  std::int64_t low = 1;  // fits
  for (std::int64_t high = config_.n_ctx_train + 1; high - low > 1;) {
    const std::int64_t middle = low + (high - low) / 2;
    (fits(middle) ? low : high) = middle;
  }
  return low;
}

}  // namespace plan

Expected<MemoryUse> memory_use(const MemoryUseOptions& options) {
  const auto file = GgufFile::open(options.model_path);
  if (!file) return file.error();
  const auto model = plan::MemoryModel::read(*file);
  if (!model) return model.error();
  const auto block = model->block_bytes(options.plan, options.swa_full);
  if (!block) return block.error();
  const std::int64_t n_ctx = options.n_ctx == 0 ? model->config().n_ctx_train : options.n_ctx;
  return model->use(*block, n_ctx, options.n_parallel, options.n_threads);
}

// Declared in tq/engine.h: the server's pool of models asks before it loads one into the process it runs in.
Expected<std::size_t> Engine::memory_needed(const EngineOptions& options) {
  const auto file = GgufFile::open(options.model_path);
  if (!file) return file.error();
  const auto model = plan::MemoryModel::read(*file);
  if (!model) return model.error();
  const auto plan = options.cache_plan ? Expected<CachePlan>(*options.cache_plan)
                                       : make_cache_plan(model->kv_shape().n_layers, options.type_k,
                                                         options.type_v, options.layer_adaptive);
  if (!plan) return plan.error();
  const auto block = model->block_bytes(*plan, options.swa_full);
  if (!block) return block.error();
  const auto n_ctx = context_length(options.n_ctx, model->config().n_ctx_train);
  if (!n_ctx) return n_ctx.error();
  const int n_threads = options.n_threads > 0 ? options.n_threads : default_thread_count();
  const MemoryUse use = model->use(*block, *n_ctx, options.n_parallel, n_threads);
  return use.peak() - use.program;
}

}  // namespace tq
