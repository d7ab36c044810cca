// Splits text into the words that BPE merges within, by the regexes that tokenizer.ggml.pre names.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tq/error.h"

namespace tq {

// What a name in tokenizer.ggml.pre stands for.
struct PreTokenizerSpec {
  std::string_view name;
  std::vector<std::string> patterns;  // PCRE2; each splits the pieces the one before it left
  bool ignore_merges = false;         // a word that is a token is that token, whatever the merges say
  bool adds_bos = false;              // default of tokenizer.ggml.add_bos_token
};

// kUnsupported, naming the known ones, when `name` is unknown.
Expected<PreTokenizerSpec> find_pre_tokenizer(std::string_view name);
// Lines and runs of line ends, all that SentencePiece's BPE keeps apart.
PreTokenizerSpec line_pre_tokenizer();

class PreTokenizer {
 public:
  static Expected<PreTokenizer> compile(const PreTokenizerSpec& spec);
  PreTokenizer(PreTokenizer&&) noexcept;
  PreTokenizer& operator=(PreTokenizer&&) noexcept;
  ~PreTokenizer();

  // The bytes of all words, in order, are `text` after its invalid UTF-8 became U+FFFD (see decode_lenient).
  void split(std::string_view text, const std::function<void(std::string_view word)>& on_word) const;

 private:
  struct Impl;
  explicit PreTokenizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tq
