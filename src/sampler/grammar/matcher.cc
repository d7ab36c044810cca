#include "sampler/grammar/matcher.h"

namespace tq {
namespace {

constexpr std::size_t kMaxMasks = 256;    // a mask of 150 000 tokens is 19 KB
constexpr std::size_t kMaxStates = 8192;  // a state is about 1 KB

}  // namespace

Matcher::Matcher(std::shared_ptr<const GrammarImpl> grammar, std::shared_ptr<const VocabularyImpl> vocabulary)
    : grammar_(std::move(grammar)),
      vocabulary_(std::move(vocabulary)),
      states_(grammar_->rules()),
      state_(states_.start()),
      path_(vocabulary_->longest_token() + 1) {}

void Matcher::accept(Token token) {
  for (const char byte : vocabulary_->bytes(token))
    state_ = states_.next(state_, static_cast<std::uint8_t>(byte));
  if (states_.size() <= kMaxStates) return;
  masks_.clear();
  state_ = states_.forget_all_but(state_);
}

bool Matcher::allows(Token token) {
  const std::string_view bytes = vocabulary_->bytes(token);
  if (bytes.empty()) return states_.is_complete(state_) && vocabulary_->ends_generation(token);
  States::Id state = state_;
  for (const char byte : bytes) {
    state = states_.next(state, static_cast<std::uint8_t>(byte));
    if (state == States::kDead) return false;
  }
  return true;
}

std::span<const std::uint64_t> Matcher::mask() {
  if (const auto known = masks_.find(state_); known != masks_.end()) return known->second;
  if (masks_.size() >= kMaxMasks) masks_.clear();
  return masks_.emplace(state_, compute_mask()).first->second;
}

std::vector<std::uint64_t> Matcher::compute_mask() {
  std::vector<std::uint64_t> mask((static_cast<std::size_t>(vocabulary_->n_tokens()) + 63) / 64);
  const auto allow = [&mask](Token token) {
    mask[static_cast<std::size_t>(token) / 64] |= std::uint64_t{1} << (static_cast<std::size_t>(token) % 64);
  };
  if (states_.is_complete(state_)) {
    for (const Token token : vocabulary_->end_tokens()) allow(token);
  }
  const std::vector<TrieNode>& trie = vocabulary_->trie();
  const std::vector<Token>& tokens = vocabulary_->trie_tokens();
  path_[0] = state_;
  for (std::size_t i = 0; i + 1 < trie.size();) {
    const TrieNode& node = trie[i];
    const States::Id state = states_.next(path_[node.depth - 1U], node.byte);
    if (state == States::kDead) {
      i = static_cast<std::size_t>(node.end);
      continue;
    }
    path_[node.depth] = state;
    for (auto at = node.first_token; at < trie[i + 1].first_token; ++at)
      allow(tokens[static_cast<std::size_t>(at)]);
    ++i;
  }
  return mask;
}

}  // namespace tq
