#include "edge/words.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace tq::edge {
namespace {

constexpr std::size_t kLongWord = 8;  // letters from which a word may be several without spaces

// Latin letters that Cyrillic and Greek ones look like.
char look_alike(std::int32_t code) {
  constexpr std::array<std::pair<std::int32_t, char>, 31> kPairs = {{
      {0x0430, 'a'}, {0x0435, 'e'}, {0x043E, 'o'}, {0x0440, 'p'}, {0x0441, 'c'}, {0x0443, 'y'}, {0x0445, 'x'},
      {0x0456, 'i'}, {0x0458, 'j'}, {0x0455, 's'}, {0x043A, 'k'}, {0x043C, 'm'}, {0x0442, 't'}, {0x043D, 'h'},
      {0x0432, 'b'}, {0x0501, 'd'}, {0x04BB, 'h'}, {0x051B, 'q'}, {0x051D, 'w'}, {0x03B1, 'a'}, {0x03B5, 'e'},
      {0x03B9, 'i'}, {0x03BF, 'o'}, {0x03C1, 'p'}, {0x03C4, 't'}, {0x03C5, 'u'}, {0x03BA, 'k'}, {0x03BD, 'v'},
      {0x0131, 'i'}, {0x0142, 'l'}, {0x00F8, 'o'},
  }};
  const auto* const found = std::ranges::find(kPairs, code, &std::pair<std::int32_t, char>::first);
  return found == kPairs.end() ? '\0' : found->second;
}

// Signs that stand for letters between letters: "su!c!de", "k1ll".
char leet(char c) {
  switch (c) {
    case '0':
      return 'o';
    case '1':
    case '!':
    case '|':
      return 'i';
    case '3':
      return 'e';
    case '4':
    case '@':
      return 'a';
    case '5':
    case '$':
      return 's';
    case '7':
    case '+':
      return 't';
    case '8':
      return 'b';
    case '*':
      return '*';  // any letter
    default:
      return '\0';
  }
}

bool is_letter(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_apostrophe(std::int32_t code) {
  return code == '\'' || code == '`' || code == 0x2019 || code == 0x2018 || code == 0x02BC ||
         code == 0x00B4 || code == 0x2032;
}

bool is_letter_category(std::int32_t code) {
  const auto category = utf8proc_category(code);
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

// The message as ASCII: letters, digits, signs, and '\n' where a sentence ends. Counts letters on the way.
class Folder {
 public:
  explicit Folder(Words& counts) : counts_(counts) {}

  std::string fold(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    const auto* at = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
    auto left = static_cast<utf8proc_ssize_t>(text.size());
    while (left > 0) {
      utf8proc_int32_t code = 0;
      const utf8proc_ssize_t n = utf8proc_iterate(at, left, &code);
      if (n <= 0) {
        out += ' ';
        ++at;
        --left;
        continue;
      }
      // A capital I within small letters is written for an l: "kiII".
      const bool is_l = code == 'I' && follows_small_letter_;
      follows_small_letter_ = (code >= 'a' && code <= 'z') || is_l;
      fold_code(is_l ? 'l' : code, out);
      at += n;
      left -= n;
    }
    return out;
  }

 private:
  void fold_code(utf8proc_int32_t code, std::string& out) {
    std::array<utf8proc_int32_t, 32> parts{};
    const auto options = static_cast<utf8proc_option_t>(
        UTF8PROC_COMPAT | UTF8PROC_DECOMPOSE | UTF8PROC_CASEFOLD | UTF8PROC_STRIPMARK | UTF8PROC_IGNORE);
    const auto n = utf8proc_decompose_char(code, parts.data(), static_cast<utf8proc_ssize_t>(parts.size()),
                                           options, nullptr);
    if (n < 0 || n > static_cast<utf8proc_ssize_t>(parts.size())) {
      out += ' ';
      return;
    }
    for (utf8proc_ssize_t i = 0; i < n; ++i) fold_part(parts[static_cast<std::size_t>(i)], out);
  }

  void fold_part(utf8proc_int32_t code, std::string& out) {
    if (is_apostrophe(code) || code == 0x00AD) return;
    if (code < 0x80) {
      const char c = static_cast<char>(code);
      if (is_letter(c)) ++counts_.letters;
      out += c == '?' || c == ';' ? '\n' : c;
      return;
    }
    const bool is_a_letter = is_letter_category(code);
    if (is_a_letter) ++counts_.letters;
    if (const char latin = look_alike(code); latin != '\0') {
      // A look-alike in Latin text is read as Latin; a text of nothing else is Russian or Greek.
      ++counts_.unknown_letters;
      out += latin;
    } else if (is_a_letter) {
      ++counts_.unknown_letters;
      out += ' ';
    } else {
      out += code == 0x2026 || code == 0x3002 || code == 0xFF1F ? '\n' : ' ';
    }
  }

  Words& counts_;
  bool follows_small_letter_ = false;
};

// A sign is part of a word where it stands for a letter: letters on both sides.
bool belongs_to_word(const std::string& text, std::size_t i) {
  const char c = text[i];
  if (is_letter(c) || is_digit(c)) return true;
  if (leet(c) == '\0') return false;
  const bool after = i > 0 && (is_letter(text[i - 1]) || is_digit(text[i - 1]));
  const bool before = i + 1 < text.size() && (is_letter(text[i + 1]) || is_digit(text[i + 1]));
  return after && before;
}

Word make_word(std::string text, bool starts_sentence) {
  Word word;
  word.starts_sentence = starts_sentence;
  word.is_number = std::ranges::all_of(text, is_digit);
  word.plain = text;
  if (!word.is_number && !std::ranges::all_of(text, is_letter)) {
    for (char& c : word.plain) {
      if (const char letter = leet(c); letter != '\0') c = letter;
    }
  }
  word.text = std::move(text);
  return word;
}

// Single letters in a row spell something: "d i e", "s.u.i.c.i.d.e". They are added as a word and as a run.
void join_single_letters(Words& words) {
  std::vector<Word> joined;
  const auto& all = words.words;
  for (std::size_t i = 0; i < all.size();) {
    std::size_t end = i;
    std::string letters;
    while (end < all.size() && all[end].plain.size() == 1 && is_letter(all[end].plain[0]))
      letters += all[end++].plain;
    if (letters.size() >= 3) {
      // The first letter may be a word of its own: "i d i e" is "i die" too.
      if (letters[0] == 'i') joined.push_back(make_word("i", all[i].starts_sentence));
      joined.push_back(make_word(letters[0] == 'i' ? letters.substr(1) : letters,
                                 letters[0] != 'i' && all[i].starts_sentence));
      words.runs.push_back(std::move(letters));
      i = end;
    } else {
      joined.push_back(all[i++]);
    }
  }
  words.words = std::move(joined);
}

}  // namespace

Words read_words(std::string_view text) {
  Words result;
  const std::string folded = Folder(result).fold(text);
  bool starts = true;
  for (std::size_t i = 0; i < folded.size();) {
    if (!belongs_to_word(folded, i)) {
      const char c = folded[i++];
      const bool ends_sentence = c == '\n' || c == '!' || (c == '.' && i < folded.size() && folded[i] == ' ');
      starts = starts || ends_sentence;
      continue;
    }
    std::size_t end = i;
    while (end < folded.size() && belongs_to_word(folded, end)) ++end;
    result.words.push_back(make_word(folded.substr(i, end - i), starts));
    if (end - i >= kLongWord) result.runs.push_back(result.words.back().plain);
    starts = false;
    i = end;
  }
  join_single_letters(result);
  return result;
}

std::string without_repeats(std::string_view word) {
  std::string out;
  for (const char c : word) {
    if (out.empty() || out.back() != c) out += c;
  }
  return out;
}

bool is_one_edit_apart(std::string_view a, std::string_view b) {
  if (a.size() > b.size()) std::swap(a, b);
  if (b.size() - a.size() > 1) return false;
  std::size_t same = 0;
  while (same < a.size() && a[same] == b[same]) ++same;
  const std::string_view rest_a = a.substr(same);
  const std::string_view rest_b = b.substr(same);
  if (a.size() < b.size()) return rest_a == rest_b.substr(1);
  if (rest_a.empty()) return false;  // equal
  if (rest_a.substr(1) == rest_b.substr(1)) return true;
  return rest_a.size() >= 2 && rest_a[0] == rest_b[1] && rest_a[1] == rest_b[0] &&
         rest_a.substr(2) == rest_b.substr(2);
}

}  // namespace tq::edge
