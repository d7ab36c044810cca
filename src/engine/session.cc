#include <algorithm>
#include <utility>

#include "engine/engine_impl.h"

namespace tq {

SessionImpl::SessionImpl(Model& model, Executor& executor, KvCache cache, const CodecSet& f16)
    : model_(model), executor_(executor), cache_(std::move(cache)), f16_page_bytes_(0) {
  const KvShape& shape = cache_.shape();
  for (int i = 0; i < shape.n_layers; ++i) {
    f16_page_bytes_ +=
        static_cast<std::size_t>(shape.n_kv_heads) * (f16.k(i).page_bytes() + f16.v(i).page_bytes());
  }
  logits_.resize(static_cast<std::size_t>(model_.config().n_vocab));
}

std::size_t SessionImpl::kv_bytes_f16() const {
  return (tokens_.size() + kPageTokens - 1) / kPageTokens * f16_page_bytes_;
}

Expected<void> SessionImpl::check(std::span<const Token> tokens) const {
  if (tokens.empty()) return Error{ErrorCode::kBadArgument, "there are no tokens to compute; give a prompt."};
  if (static_cast<std::int64_t>(tokens.size()) > cache_.n_ctx()) {
    return Error{ErrorCode::kContextFull,
                 std::to_string(tokens.size()) + " tokens do not fit the context of " +
                     std::to_string(cache_.n_ctx()) + "; use a longer context (-c) or a shorter text."};
  }
  for (const Token token : tokens) {
    if (token < 0 || token >= model_.config().n_vocab) {
      return Error{ErrorCode::kBadArgument, "the token id " + std::to_string(token) +
                                                " is outside the model's vocabulary of " +
                                                std::to_string(model_.config().n_vocab) + "."};
    }
  }
  return {};
}

Expected<std::span<const float>> SessionImpl::sync(std::span<const Token> tokens,
                                                   const LogitsVisitor& visitor) {
  if (const auto ok = check(tokens); !ok) return ok.error();
  const auto differs = std::mismatch(tokens_.begin(), tokens_.end(), tokens.begin(), tokens.end()).second;
  // The last token is computed even when it is cached: its logits are the result.
  const auto kept = std::min(static_cast<std::size_t>(differs - tokens.begin()), tokens.size() - 1);
  tokens_.assign(tokens.begin(), tokens.end());

  const std::lock_guard lock(executor_.mutex);
  for (std::size_t begin = kept; begin < tokens_.size(); begin += kMaxBatch) {
    const std::size_t n = std::min<std::size_t>(kMaxBatch, tokens_.size() - begin);
    compute_rows(begin, n, visitor);
  }
  return std::span<const float>(logits_);
}

void SessionImpl::compute_rows(std::size_t begin, std::size_t n, const LogitsVisitor& visitor) {
  Workspace& w = executor_.workspace;
  const auto first_position = static_cast<std::int64_t>(begin);
  const SequenceRows sequence{&cache_, first_position, 0, static_cast<std::int64_t>(n)};
  const Batch batch{std::span(tokens_).subspan(begin, n), std::span(&sequence, 1)};
  const bool is_last = begin + n == tokens_.size();
  model_.forward(batch, executor_.compute, executor_.attention, w);
  const auto n_vocab = logits_.size();
  const auto row = [&](std::int64_t i) { return std::span<const float>(w.logits.row(i), n_vocab); };
  std::int64_t rows = 0;  // in w.logits
  if (visitor) {
    for (std::int64_t first = 0; first < batch.size(); first += kLogitRows) {
      rows = std::min(kLogitRows, batch.size() - first);
      model_.logits(first, rows, executor_.compute, w);
      for (std::int64_t i = 0; i < rows; ++i) visitor(first_position + first + i, row(i));
    }
  } else if (is_last) {
    rows = 1;
    model_.logits(batch.size() - 1, rows, executor_.compute, w);
  }
  if (is_last) std::ranges::copy(row(rows - 1), logits_.begin());
}

}  // namespace tq
