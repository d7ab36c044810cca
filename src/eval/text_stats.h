// What can be said about an answer without understanding it.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "tq/text.h"

namespace tq::eval {

// Share of n-grams that occurred before in the same text: 0 for none, near 1 for a loop.
double repeated_ngrams(std::span<const Token> tokens, std::size_t n);

// Position of the first token in which they differ; the shorter length when one begins the other.
std::size_t first_difference(std::span<const Token> a, std::span<const Token> b);

// Least number of tokens put in, taken out or exchanged that makes one of the other (Levenshtein).
std::size_t edit_distance(std::span<const Token> a, std::span<const Token> b);

// Lower case (ASCII), runs of anything but letters and digits as one space: for finding words in answers.
std::string folded(std::string_view text);

// Whether `words` occurs in `text` as whole words, case and punctuation aside.
bool mentions(std::string_view text, std::string_view words);

// Share of letters that are ASCII; 1 when there are none. A text that leaves its language shows here.
double ascii_letters(std::string_view text);

std::size_t count_words(std::string_view text);

}  // namespace tq::eval
