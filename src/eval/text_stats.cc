#include "eval/text_stats.h"

#include <algorithm>
#include <set>
#include <vector>

namespace tq::eval {
namespace {

bool is_letter(unsigned char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_word(unsigned char c) { return is_letter(c) || (c >= '0' && c <= '9') || c >= 0x80; }

}  // namespace

double repeated_ngrams(std::span<const Token> tokens, std::size_t n) {
  if (tokens.size() < n) return 0.0;
  std::set<std::vector<Token>> seen;
  std::size_t repeated = 0;
  const std::size_t total = tokens.size() - n + 1;
  for (std::size_t i = 0; i < total; ++i) {
    const auto gram = tokens.subspan(i, n);
    if (!seen.emplace(gram.begin(), gram.end()).second) ++repeated;
  }
  return static_cast<double>(repeated) / static_cast<double>(total);
}

std::size_t first_difference(std::span<const Token> a, std::span<const Token> b) {
  return static_cast<std::size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
}

std::size_t edit_distance(std::span<const Token> a, std::span<const Token> b) {
  std::vector<std::size_t> row(b.size() + 1);  // distances of a's first i tokens to b's first j
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t exchanged = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, exchanged});
    }
  }
  return row.back();
}

std::string folded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if (is_word(u)) {
      out += static_cast<char>(u >= 'A' && u <= 'Z' ? u + 32 : u);
    } else if (!out.empty() && out.back() != ' ') {
      out += ' ';
    }
  }
  if (out.ends_with(' ')) out.pop_back();
  return out;
}

bool mentions(std::string_view text, std::string_view words) {
  return (" " + folded(text) + " ").find(" " + folded(words) + " ") != std::string::npos;
}

double ascii_letters(std::string_view text) {
  std::size_t ascii = 0;
  std::size_t other = 0;  // lead bytes of longer characters
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if (is_letter(u)) ++ascii;
    if (u >= 0xC3) ++other;
  }
  return ascii + other == 0 ? 1.0 : static_cast<double>(ascii) / static_cast<double>(ascii + other);
}

std::size_t count_words(std::string_view text) {
  std::size_t words = 0;
  bool inside = false;
  for (const char c : text) {
    const bool word = is_word(static_cast<unsigned char>(c));
    words += word && !inside ? 1 : 0;
    inside = word;
  }
  return words;
}

}  // namespace tq::eval
