// The regexes are those that the models' own tokenizer.json files and llama.cpp state, with \s spelled out:
// PCRE2's \s also holds U+180E, which has not been white space since Unicode 6.3.
#include "tokenizer/pre_patterns.h"

#include <string_view>

namespace tq {
namespace {

// In the patterns below ~s stands for white space, also inside brackets, and ~S for its complement.
constexpr std::string_view kSpaces =
    R"(\x09-\x0D\x20\x85\xA0\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000})";

std::string expand(std::string_view pattern) {
  std::string out;
  bool bracket = false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\\' && i + 1 < pattern.size()) {
      out.append(pattern.substr(i++, 2));
    } else if (c == '~' && i + 1 < pattern.size() && (pattern[i + 1] == 's' || pattern[i + 1] == 'S')) {
      const bool complement = pattern[++i] == 'S';
      if (!bracket) out += complement ? "[^" : "[";
      out += kSpaces;
      if (!bracket) out += ']';
    } else {
      if (c == '[') bracket = true;
      if (c == ']') bracket = false;
      out += c;
    }
  }
  return out;
}

constexpr std::string_view kGpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^~s\p{L}\p{N}]+|~s+(?!~S)|~s+)";
constexpr std::string_view kContraction = R"('[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])";

std::string contraction_suffix() { return "(?:" + std::string(kContraction) + ")?"; }

constexpr std::string_view kSpaceRuns = R"(~s+(?!~S)|~s+)";

// Words, numbers, all else with the line ends after it, and line ends, in this order; contractions come
// before.
std::string llama3_words(std::string_view letters, std::string_view numbers, std::string_view others,
                         std::string_view spaces = kSpaceRuns) {
  std::string out = R"([^\r\n\p{L}\p{N}]?)";
  out += letters;
  out += '|';
  out += numbers;
  out += "| ?";
  out += others;
  out += R"([\r\n]*|~s*[\r\n]+|)";
  out += spaces;
  return out;
}

std::string llama3_like(std::string_view letters, std::string_view numbers, std::string_view others,
                        std::string_view spaces = kSpaceRuns) {
  return std::string(kContraction) + "|" + llama3_words(letters, numbers, others, spaces);
}

// GPT-4o's words, with llama.cpp's reading of upper and lower case (ASCII only): each class is one character
// wide, so matching never nests. `suffix` is the optional contraction, `numbers` the digit rule.
std::string cased_words(std::string_view suffix, std::string_view numbers, bool marks = false) {
  const std::string head = R"([^\r\n\p{L}\p{N}]?)";
  const std::string not_lower = marks ? R"((?![a-z])[\p{L}\p{M}])" : R"([^\P{L}a-z])";
  const std::string not_upper = marks ? R"((?![A-Z])[\p{L}\p{M}])" : R"([^\P{L}A-Z])";
  const std::string lower = "(?:" + not_lower + ")", upper = "(?:" + not_upper + ")";
  std::string out = head + lower + "*" + upper + "+";
  out += suffix;
  out += "|" + head + lower + "+" + upper + "*";
  out += suffix;
  out += "|";
  out += numbers;
  out += R"(| ?[^~s\p{L}\p{N}]+[\r\n/]*|~s*[\r\n]+|~s+(?!~S)|~s+)";
  return out;
}

// The letters of DeepSeek LLM's second rule.
constexpr std::string_view kDeepseekLetters =
    R"(A-Za-z\x{B5}\x{C0}-\x{D6}\x{D8}-\x{F6}\x{F8}-\x{1BA}\x{1BC}-\x{1BF}\x{1C4}-\x{293}\x{295}-\x{2AF})"
    R"(\x{370}-\x{373}\x{376}\x{377}\x{37B}-\x{37D}\x{37F}\x{386}\x{388}-\x{38A}\x{38C}\x{38E}-\x{3A1})"
    R"(\x{3A3}-\x{3F5}\x{3F7}-\x{481}\x{48A}-\x{52F}\x{531}-\x{556}\x{10A0}-\x{10C5}\x{13A0}-\x{13F5})"
    R"(\x{13F8}-\x{13FD}\x{1C90}-\x{1CBA}\x{1CBD}-\x{1CBF}\x{1D00}-\x{1D2B}\x{1D6B}-\x{1D77}\x{1D79}-\x{1D9A})"
    R"(\x{1E00}-\x{1F15}\x{1F18}-\x{1F1D}\x{1F20}-\x{1F45}\x{1F48}-\x{1F4D}\x{1F50}-\x{1F57}\x{1F59}\x{1F5B})"
    R"(\x{1F5D}\x{1F5F}-\x{1F7D}\x{1F80}-\x{1FB4}\x{1FB6}-\x{1FBC}\x{1FBE}\x{1FC2}-\x{1FC4}\x{1FC6}-\x{1FCC})"
    R"(\x{1FD0}-\x{1FD3}\x{1FD6}-\x{1FDB}\x{1FE0}-\x{1FEC}\x{1FF2}-\x{1FF4}\x{1FF6}-\x{1FFC}\x{2102}\x{2107})"
    R"(\x{210A}-\x{2113}\x{2115}\x{2119}-\x{211D}\x{2124}\x{2126}\x{2128}\x{212A}-\x{212D}\x{212F}-\x{2134})"
    R"(\x{2139}\x{213C}-\x{213F}\x{2145}-\x{2149}\x{214E}\x{2183}\x{2184}\x{2C00}-\x{2C7B}\x{2C7E}-\x{2CE4})"
    R"(\x{2CEB}-\x{2CEE}\x{2CF2}\x{2CF3}\x{A640}-\x{A66D}\x{A680}-\x{A69B}\x{A722}-\x{A76F}\x{A771}-\x{A787})"
    R"(\x{A78B}-\x{A78E}\x{AB70}-\x{ABBF}\x{FB00}-\x{FB06}\x{FB13}-\x{FB17}\x{FF21}-\x{FF3A}\x{FF41}-\x{FF5A})"
    R"(\x{10400}-\x{1044F}\x{104B0}-\x{104D3}\x{104D8}-\x{104FB}\x{10C80}-\x{10CB2}\x{10CC0}-\x{10CF2})"
    R"(\x{118A0}-\x{118DF}\x{1E900}-\x{1E943})";

// Their [U+0800-U+9FA5, U+AC00-U+D7FF] without white space, which llama.cpp turns into a control character
// before it tries a pattern without categories (hence also no U+3000 in the third rule below).
constexpr std::string_view kDeepseekOther =
    R"([\x{800}-\x{167F}\x{1681}-\x{1FFF}\x{200B}-\x{2027}\x{202A}-\x{202E}\x{2030}-\x{205E}\x{2060}-\x{2FFF})"
    R"(\x{3001}-\x{9FA5}\x{AC00}-\x{D7FF}]+)";

std::vector<std::string> deepseek_llm() {
  // The third is "\s+$" written so that a long run of white space is tried once, not from each of its places.
  return {R"([\r\n])",
          "~s?[" + std::string(kDeepseekLetters) + "]+",
          "~s?[!-/:-~！-／：-～‘-‟、。]+",
          R"((?<!~s)~s++\z)",
          std::string(kDeepseekOther),
          R"(\p{N}+)"};
}

constexpr std::string_view kDeepseekKana = "[一-龥぀-ゟ゠-ヿ]+";
constexpr std::string_view kDeepseekWords =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+)";

std::vector<std::string> deepseek_v3() {
  return {R"(\p{N}{1,3})", std::string(kDeepseekKana),
          std::string(kDeepseekWords) + R"([\r\n]*|~s*[\r\n]+|~s+(?!~S)|~s+)"};
}

std::vector<std::string> youtu() {
  return {
      "[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+",
      R"([^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+)" + contraction_suffix() +
          R"(|\p{N}| ?[^~s\p{L}\p{N}]+[\r\n/]*|~s*[\r\n]+|~s+(?!~S)|~s+)"};
}

// White space in powers of two, each run before its last character.
std::string wide_spaces() {
  std::string out;
  for (const char* count : {"512", "256", "128", "64", "32", "16", "8", "4", "1,2"}) {
    out += std::string("~s{") + count + "}(?!~S)|";
  }
  return out + "~s";
}

std::vector<std::string> spark() {
  return {R"(\p{N}{1,3})", std::string(kDeepseekKana),
          std::string(kDeepseekWords) + R"(|[\r\n]|~s+(?!~S)|~s+)", R"(\p{N})"};
}

std::vector<std::string> deepseek_coder() {
  return {R"([\r\n])", R"(~s?\p{L}+)", R"(~s?\p{P}+)", std::string(kDeepseekOther), R"(\p{N})"};
}

std::vector<std::string> chameleon() {
  return {"<sentinel:[0-9]+>", "IMGIMG[A-I]{1,4}Z",       R"([\t\n]|    |  )",
          R"(\p{N})",          R"([\p{P}!-/:-@\[-`{-~])", std::string(kGpt2)};
}

std::vector<std::string> bailing() {
  return {R"('(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^~s\p{L}\p{N}]+)"
          R"([\r\n]*|~s*[\r\n]|~s+(?!~S)|~s+)"};
}

std::vector<std::string> seed_coder() {
  return {std::string(kContraction) +
          R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^~s\p{L}\p{N}]+|~s*[\r\n]+|~s+(?!~S)|~s+)"};
}

// Words that spaces join; possessive, since nothing that follows could need a part of them back.
std::vector<std::string> exaone_moe() {
  return {std::string(kContraction) +
          R"(|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*+(?: \p{L}\p{M}*+)*+)++|\p{N}| ?[^~s\p{L}\p{N}]+)"
          R"([\r\n/]?|~s*[\r\n]|~s+(?!~S)|~s+)"};
}

std::vector<std::string> raw_patterns(PreFamily family) {
  const std::string gpt2(kGpt2);
  const std::string letters = R"(\p{L}+)", others = R"([^~s\p{L}\p{N}]+)", digit = R"(\p{N})";
  const std::string three_digits = R"(\p{N}{1,3})", bloom = " ?[^(~s|.,!?…。，、।۔،)]+";
  switch (family) {
    case PreFamily::kDefault:
      return {R"([\p{P}$+<=>^~|]+)", gpt2, R"(\p{N}+)", "[0-9][0-9][0-9]"};
    case PreFamily::kGpt2:
      return {gpt2};
    case PreFamily::kDigitsGpt2:
      return {digit, gpt2};
    case PreFamily::kLlama3:
      return {llama3_like(letters, three_digits, others)};
    case PreFamily::kLlama3WideSpaces:
      return {llama3_like(letters, three_digits, others, wide_spaces())};
    case PreFamily::kQwen2:
      return {llama3_like(letters, digit, others)};
    case PreFamily::kQwen2NoContractions:
      return {llama3_words(letters, digit, others)};
    case PreFamily::kQwen2Lines:
      return {R"([^\n]+|\n+)", llama3_like(letters, digit, others)};
    case PreFamily::kQwen35:
      return {llama3_like(R"([\p{L}\p{M}]+)", digit, R"([^~s\p{L}\p{M}\p{N}]+)")};
    case PreFamily::kGroupedDigitsQwen2:
      return {three_digits, llama3_like(letters, R"(\p{N}+)", others)};
    case PreFamily::kGpt4o:
      return {cased_words(contraction_suffix(), three_digits)};
    case PreFamily::kGpt4oMarks:
      return {cased_words(contraction_suffix(), three_digits, true)};
    case PreFamily::kYoutu:
      return youtu();
    case PreFamily::kTekken:
      return {cased_words("", digit)};
    case PreFamily::kDeepseekLlm:
      return deepseek_llm();
    case PreFamily::kDeepseekCoder:
      return deepseek_coder();
    case PreFamily::kDeepseekV3:
      return deepseek_v3();
    case PreFamily::kSpark:
      return spark();
    case PreFamily::kFalcon:
      return {R"([\p{P}$+<=>^~|`]+)", gpt2, "[0-9][0-9][0-9]"};
    case PreFamily::kBailing:
      return bailing();
    case PreFamily::kSeedCoder:
      return seed_coder();
    case PreFamily::kExaoneMoe:
      return exaone_moe();
    case PreFamily::kBloom:
      return {bloom};
    case PreFamily::kViking:
      return {bloom, digit};
    case PreFamily::kChameleon:
      return chameleon();
    case PreFamily::kLines:
      return {R"([^\n]+|\n+)"};
  }
  return {};
}

}  // namespace

std::vector<std::string> pre_tokenizer_patterns(PreFamily family) {
  std::vector<std::string> patterns = raw_patterns(family);
  for (std::string& pattern : patterns) pattern = expand(pattern);
  return patterns;
}

}  // namespace tq
