#include "tokenizer/bpe.h"

#include <algorithm>

#include "tokenizer/utf8.h"

namespace tq {
namespace {

struct RawMerge {
  std::int32_t left, right, rank, merged;
};

}  // namespace

Bpe::Bpe(const Vocab& vocab, const std::vector<std::string_view>& merges)
    : vocab_(vocab), byte_level_(vocab.kind == VocabKind::kByteLevel) {
  pieces_.reserve(vocab.entries.size() + 256);
  for (int b = 0; byte_level_ && b < 256; ++b) intern(std::string(1, static_cast<char>(b)));
  std::string bytes;
  for (std::size_t i = 0; i < vocab.entries.size(); ++i) {
    if (!spell(vocab.entries[i].text, bytes)) continue;
    // Texts that differ decode alike only through overlong UTF-8; the first id counts.
    Token& token = piece_tokens_[static_cast<std::size_t>(intern(bytes))];
    if (token < 0) token = static_cast<Token>(i);
  }
  index_merges(merges);
}

bool Bpe::spell(std::string_view text, std::string& bytes) const {
  if (byte_level_) return decode_byte_text(text, bytes);
  bytes = text;
  return true;
}

void Bpe::index_merges(const std::vector<std::string_view>& merges) {
  std::vector<RawMerge> raw;
  raw.reserve(merges.size());
  std::string left, right;
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    const std::string_view merge = merges[rank];
    const std::size_t space = merge.find(' ', 1);
    if (space == std::string_view::npos || space + 1 == merge.size()) continue;
    if (!spell(merge.substr(0, space), left) || !spell(merge.substr(space + 1), right)) continue;
    const std::int32_t l = intern(left), r = intern(right);
    left += right;
    const std::int32_t merged = intern(left);
    const Token token = piece_tokens_[static_cast<std::size_t>(merged)];
    if (token >= 0 && vocab_.is_control(token)) continue;
    if (!byte_level_) cuts_.add(left);
    raw.push_back({l, r, static_cast<std::int32_t>(rank), merged});
  }
  // Of merges listed twice the first counts: a stable sort keeps it in front, where find_merge() stops.
  std::stable_sort(raw.begin(), raw.end(), [](const RawMerge& a, const RawMerge& b) {
    return a.left != b.left ? a.left < b.left : a.right < b.right;
  });
  merges_begin_.assign(piece_tokens_.size() + 1, 0);
  merges_.reserve(raw.size());
  for (const RawMerge& m : raw) {
    ++merges_begin_[static_cast<std::size_t>(m.left) + 1];
    merges_.push_back({m.right, m.rank, m.merged});
  }
  for (std::size_t i = 1; i < merges_begin_.size(); ++i) merges_begin_[i] += merges_begin_[i - 1];
}

std::int32_t Bpe::intern(const std::string& bytes) {
  const auto [entry, inserted] = pieces_.emplace(bytes, static_cast<std::int32_t>(pieces_.size()));
  if (inserted) piece_tokens_.push_back(-1);
  return entry->second;
}

MergeResult Bpe::find_merge(std::int32_t left, std::int32_t right) const {
  if (left < 0 || right < 0) return {};
  const Merge* begin = merges_.data() + merges_begin_[static_cast<std::size_t>(left)];
  const Merge* end = merges_.data() + merges_begin_[static_cast<std::size_t>(left) + 1];
  const Merge* found =
      std::lower_bound(begin, end, right, [](const Merge& m, std::int32_t r) { return m.right < r; });
  if (found == end || found->right != right) return {};
  return {found->rank, found->merged, true};
}

Token Bpe::whole(std::string_view word) const {
  const auto found = pieces_.find(word);
  if (found == pieces_.end()) return -1;
  const Token token = piece_tokens_[static_cast<std::size_t>(found->second)];
  return token >= 0 && vocab_.is_control(token) ? -1 : token;
}

void Bpe::encode(std::string_view word, Merger& merger, std::vector<Token>& out) const {
  merger.clear();
  for (std::size_t at = 0; at < word.size();) {
    const std::size_t length = byte_level_ ? 1 : lead_length(word.substr(at));
    std::int32_t piece = static_cast<unsigned char>(word[at]);
    if (!byte_level_) {
      const auto found = pieces_.find(word.substr(at, length));
      piece = found == pieces_.end() ? -1 : found->second;
    }
    merger.add(static_cast<std::uint32_t>(length), piece);
    at += length;
  }
  merger.run([this](const MergeSymbol& left, const MergeSymbol& right) {
    return find_merge(left.piece, right.piece);
  });
  // A piece that is no token (a byte or a merge that the vocabulary lacks) is given out in bytes.
  merger.for_each([&](const MergeSymbol& symbol) {
    const Token token = symbol.piece < 0 ? -1 : piece_tokens_[static_cast<std::size_t>(symbol.piece)];
    if (token >= 0) {
      out.push_back(token);
    } else {
      vocab_.spell_bytes(word.substr(symbol.begin, symbol.size), out);
    }
  });
}

}  // namespace tq
