// Our side of compare.py: loads a vocabulary and encodes one text several times.
//
//   tokenizer_bench VOCABULARY.gguf TEXT ROUNDS  ->  seconds to load, best seconds to encode, tokens
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>

#include "gguf/gguf.h"
#include "tokenizer/tokenizer.h"

namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const auto start = std::chrono::steady_clock::now();
  const auto file = tq::GgufFile::open(argv[1]);
  if (!file) {
    std::fprintf(stderr, "%s\n", file.error().message.c_str());
    return 1;
  }
  const auto tokenizer = tq::Tokenizer::from_gguf(*file);
  if (!tokenizer) {
    std::fprintf(stderr, "%s\n", tokenizer.error().message.c_str());
    return 1;
  }
  const double load = seconds_since(start);
  std::ostringstream text;
  text << std::ifstream(argv[2], std::ios::binary).rdbuf();
  const std::string bytes = text.str();
  double best = std::numeric_limits<double>::infinity();
  std::size_t tokens = 0;
  for (long round = std::strtol(argv[3], nullptr, 10); round > 0; --round) {
    const auto begin = std::chrono::steady_clock::now();
    tokens = tokenizer->encode(bytes, tq::SpecialText::kParse).size();
    best = std::min(best, seconds_since(begin));
  }
  std::printf("%.6f %.6f %zu\n", load, best, tokens);
  return 0;
}
