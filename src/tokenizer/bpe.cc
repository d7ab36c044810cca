#include "tokenizer/bpe.h"

#include <algorithm>
#include <tuple>

#include "tokenizer/utf8.h"

namespace tq {
namespace {

struct RawMerge {
  std::int32_t left, right, rank, merged;
};

}  // namespace

Bpe::Bpe(const Vocab& vocab, const std::vector<std::string_view>& merges, bool finds_words)
    : vocab_(vocab),
      byte_level_(vocab.kind == VocabKind::kByteLevel),
      n_tokens_(static_cast<Token>(vocab.size())),
      by_bytes_(vocab.size() + std::tuple_size_v<decltype(bytes_)>) {
  std::string bytes;
  for (Token token = 0; token < n_tokens_; ++token) {
    const bool is_piece = spell(vocab.texts[static_cast<std::size_t>(token)], bytes);
    pieces_.push(is_piece ? bytes : std::string_view());
    // Texts that differ decode alike only through overlong UTF-8; the first id counts.
    if (is_piece) by_bytes_.insert(token, pieces_);
  }
  for (std::size_t b = 0; byte_level_ && b < bytes_.size(); ++b) {
    bytes_[b] = intern(std::string(1, static_cast<char>(b)));
  }
  index_merges(merges);
  pieces_.fit();
  if (byte_level_ && !finds_words) {
    pieces_ = {};
    by_bytes_ = {};
  }
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
    if (l < 0 || r < 0 || merged < 0) continue;
    const Token token = token_of(merged);
    if (token >= 0 && vocab_.is_control(token)) continue;
    if (!byte_level_) cuts_.add(left);
    raw.push_back({l, r, static_cast<std::int32_t>(rank), merged});
  }
  // Of merges listed twice the first counts: it comes to stand in front, where find_merge() stops.
  std::sort(raw.begin(), raw.end(), [](const RawMerge& a, const RawMerge& b) {
    return std::tie(a.left, a.right, a.rank) < std::tie(b.left, b.right, b.rank);
  });
  merges_begin_.assign(pieces_.size() + 1, 0);
  merges_.reserve(raw.size());
  for (const RawMerge& m : raw) {
    ++merges_begin_[static_cast<std::size_t>(m.left) + 1];
    merges_.push_back({m.right, m.rank, m.merged});
  }
  for (std::size_t i = 1; i < merges_begin_.size(); ++i) merges_begin_[i] += merges_begin_[i - 1];
}

std::int32_t Bpe::intern(std::string_view bytes) {
  const std::int32_t known = by_bytes_.find(bytes, pieces_);
  if (known >= 0 || pieces_.size() > StringIndex::kMaxNumber) return known;
  pieces_.push(bytes);
  return by_bytes_.insert(static_cast<std::int32_t>(pieces_.size() - 1), pieces_);
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
  const std::int32_t piece = by_bytes_.find(word, pieces_);
  const Token token = piece < 0 ? -1 : token_of(piece);
  return token >= 0 && vocab_.is_control(token) ? -1 : token;
}

void Bpe::encode(std::string_view word, Merger& merger, std::vector<Token>& out) const {
  merger.clear();
  for (std::size_t at = 0; at < word.size();) {
    const std::size_t length = byte_level_ ? 1 : lead_length(word.substr(at));
    const std::int32_t piece = byte_level_ ? bytes_[static_cast<unsigned char>(word[at])]
                                           : by_bytes_.find(word.substr(at, length), pieces_);
    merger.add(static_cast<std::uint32_t>(length), piece);
    at += length;
  }
  merger.run([this](const MergeSymbol& left, const MergeSymbol& right) {
    return find_merge(left.piece, right.piece);
  });
  // A piece that is no token (a byte or a merge that the vocabulary lacks) is given out in bytes.
  merger.for_each([&](const MergeSymbol& symbol) {
    const Token token = symbol.piece < 0 ? -1 : token_of(symbol.piece);
    if (token >= 0) {
      out.push_back(token);
    } else {
      vocab_.spell_bytes(word.substr(symbol.begin, symbol.size), out);
    }
  });
}

}  // namespace tq
