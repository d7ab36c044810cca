#include "tokenizer/bpe_encoder.h"

#include "tokenizer/word_cache.h"

namespace tq {

void BpeEncoder::encode(std::string_view text, bool /*opens*/, std::vector<Token>& out) const {
  Merger merger;
  WordCache cache(text.size());
  pre_.split(text, [&](std::string_view word) {
    cache.encode(word, out, [&] {
      const Token whole = ignores_merges_ ? bpe_.whole(word) : -1;
      if (whole >= 0) {
        out.push_back(whole);
      } else {
        bpe_.encode(word, merger, out);
      }
    });
  });
}

void LineBpeEncoder::encode(std::string_view text, bool /*opens*/, std::vector<Token>& out) const {
  const std::string escaped = escape_spaces(text);
  Merger merger;
  WordCache cache(escaped.size());
  pre_.split(escaped, [&](std::string_view line) {
    // Merges never make runs of line ends, though the vocabulary has some.
    const Token line_ends = line[0] == '\n' ? bpe_.whole(line) : -1;
    if (line_ends >= 0) {
      out.push_back(line_ends);
      return;
    }
    while (!line.empty()) {
      std::size_t end = line.find(kEscapedSpace, 1);
      while (end != std::string_view::npos && !bpe_.cuts().allowed_after(line[end - 1])) {
        end = line.find(kEscapedSpace, end + 1);
      }
      const std::string_view word = line.substr(0, end);
      cache.encode(word, out, [&] { bpe_.encode(word, merger, out); });
      line.remove_prefix(word.size());
    }
  });
}

}  // namespace tq
