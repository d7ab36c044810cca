// A message as the detector reads it: lower-case words of plain letters, however they were written.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tq::edge {

struct Word {
  std::string text;   // lower case, no accents, no apostrophes: "dont", "mochte"
  std::string plain;  // the same with look-alikes read as letters: "k1ll" is "kill"; else equal to text
  bool is_number = false;
  bool starts_sentence = false;
};

struct Words {
  std::vector<Word> words;
  // Whole runs without spaces, for "iwanttodie" and "d.i.e": long words and what single letters spell.
  std::vector<std::string> runs;
  std::size_t letters = 0;          // of all scripts
  std::size_t unknown_letters = 0;  // of scripts that no list is written for
};

// Any bytes: what is no UTF-8 is read as a gap. Full-width and other styled letters, accents, capitals,
// invisible characters and Cyrillic or Greek look-alikes count as the plain Latin letter.
Words read_words(std::string_view text);

// Each run of the same letter as one: "diiiie" -> "die", "killl" -> "kil".
std::string without_repeats(std::string_view word);

// Whether one insertion, deletion, replacement or swap of neighbours makes `a` of `b`.
bool is_one_edit_apart(std::string_view a, std::string_view b);

}  // namespace tq::edge
