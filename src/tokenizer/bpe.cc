#include "tokenizer/bpe.h"

#include <algorithm>
#include <limits>

#include "tokenizer/utf8.h"

namespace tq {
namespace {

constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

// Heap order: the strongest merge on top, the leftmost of equals.
bool weaker(const Bpe::Scratch::Candidate& a, const Bpe::Scratch::Candidate& b) {
  return a.rank != b.rank ? a.rank > b.rank : a.left > b.left;
}

struct RawMerge {
  std::int32_t left, right, rank, merged;
};

}  // namespace

Bpe::Bpe(const Vocab& vocab, const std::vector<std::string_view>& merges, bool ignore_merges)
    : ignore_merges_(ignore_merges) {
  pieces_.reserve(vocab.entries.size() + 256);
  for (int b = 0; b < 256; ++b) intern(std::string(1, static_cast<char>(b)));
  std::string bytes;
  for (std::size_t i = 0; i < vocab.entries.size(); ++i) {
    if (!decode_byte_text(vocab.entries[i].text, bytes)) continue;
    // Texts that differ decode alike only through overlong UTF-8; the first id counts.
    Token& token = piece_tokens_[static_cast<std::size_t>(intern(bytes))];
    if (token < 0) token = static_cast<Token>(i);
  }
  std::vector<RawMerge> raw;
  std::string left, right;
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    const std::string_view merge = merges[rank];
    const std::size_t space = merge.find(' ', 1);
    if (space == std::string_view::npos || space + 1 == merge.size()) continue;
    if (!decode_byte_text(merge.substr(0, space), left) || !decode_byte_text(merge.substr(space + 1), right))
      continue;
    const std::int32_t l = intern(left), r = intern(right);
    raw.push_back({l, r, static_cast<std::int32_t>(rank), intern(left + right)});
  }
  // Of merges listed twice the first counts: a stable sort keeps it in front, where find_merge() stops.
  std::stable_sort(raw.begin(), raw.end(), [](const RawMerge& a, const RawMerge& b) {
    return a.left != b.left ? a.left < b.left : a.right < b.right;
  });
  merges_begin_.assign(piece_tokens_.size() + 1, 0);
  for (const RawMerge& m : raw) {
    ++merges_begin_[static_cast<std::size_t>(m.left) + 1];
    merges_.push_back({m.right, m.rank, m.merged});
  }
  for (std::size_t i = 1; i < merges_begin_.size(); ++i) merges_begin_[i] += merges_begin_[i - 1];
  for (int b = 0; b < 256; ++b) spelled_byte_.push_back(vocab.find(std::string(1, static_cast<char>(b))));
}

std::int32_t Bpe::intern(const std::string& bytes) {
  const auto [entry, inserted] = pieces_.emplace(bytes, static_cast<std::int32_t>(pieces_.size()));
  if (inserted) {
    piece_tokens_.push_back(-1);
    piece_bytes_.push_back(&entry->first);
  }
  return entry->second;
}

const Bpe::Merge* Bpe::find_merge(std::int32_t left, std::int32_t right) const {
  const Merge* begin = merges_.data() + merges_begin_[static_cast<std::size_t>(left)];
  const Merge* end = merges_.data() + merges_begin_[static_cast<std::size_t>(left) + 1];
  const Merge* found =
      std::lower_bound(begin, end, right, [](const Merge& m, std::int32_t r) { return m.right < r; });
  return found != end && found->right == right ? found : nullptr;
}

void Bpe::add_candidate(Scratch& scratch, std::uint32_t left, std::uint32_t right) const {
  if (left == kNone || right == kNone) return;
  const std::int32_t l = scratch.symbols[left].piece, r = scratch.symbols[right].piece;
  const Merge* merge = find_merge(l, r);
  if (merge == nullptr) return;
  scratch.heap.push_back({merge->rank, left, right, l, r, merge->merged});
  std::push_heap(scratch.heap.begin(), scratch.heap.end(), weaker);
}

void Bpe::encode(std::string_view word, Scratch& scratch, std::vector<Token>& out) const {
  if (ignore_merges_) {
    const auto whole = pieces_.find(word);
    if (whole != pieces_.end() && piece_tokens_[static_cast<std::size_t>(whole->second)] >= 0) {
      out.push_back(piece_tokens_[static_cast<std::size_t>(whole->second)]);
      return;
    }
  }
  auto& symbols = scratch.symbols;
  symbols.clear();
  scratch.heap.clear();
  const auto count = static_cast<std::uint32_t>(word.size());
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t prev = i == 0 ? kNone : i - 1, next = i + 1 == count ? kNone : i + 1;
    symbols.push_back({prev, next, static_cast<unsigned char>(word[i])});
  }
  for (std::uint32_t i = 1; i < count; ++i) add_candidate(scratch, i - 1, i);
  while (!scratch.heap.empty()) {
    std::pop_heap(scratch.heap.begin(), scratch.heap.end(), weaker);
    const Scratch::Candidate best = scratch.heap.back();
    scratch.heap.pop_back();
    Scratch::Symbol &left = symbols[best.left], &right = symbols[best.right];
    // Stale when either side has been merged since. While both live they are still neighbours.
    if (left.piece != best.left_piece || right.piece != best.right_piece) continue;
    left.piece = best.merged;
    right.piece = -1;
    left.next = right.next;
    if (right.next != kNone) symbols[right.next].prev = best.left;
    add_candidate(scratch, left.prev, best.left);
    add_candidate(scratch, best.left, left.next);
  }
  for (std::uint32_t i = 0; count > 0 && i != kNone; i = symbols[i].next) emit(symbols[i].piece, out);
}

// A piece that is no token (a byte or a merge that the vocabulary lacks) is given out in pieces as llama.cpp
// does it: each byte of its GPT-2 spelling, if a token is spelled by exactly that byte, and else nothing.
void Bpe::emit(std::int32_t piece, std::vector<Token>& out) const {
  const Token token = piece_tokens_[static_cast<std::size_t>(piece)];
  if (token >= 0) {
    out.push_back(token);
    return;
  }
  std::string spelling;
  for (const char c : *piece_bytes_[static_cast<std::size_t>(piece)]) {
    append_utf8(spelling, byte_to_char(static_cast<std::uint8_t>(c)));
  }
  for (const char c : spelling) {
    const Token byte = spelled_byte_[static_cast<unsigned char>(c)];
    if (byte >= 0) out.push_back(byte);
  }
}

}  // namespace tq
