#include "tokenizer/vocab.h"

#include <algorithm>
#include <array>
#include <limits>

#include "tokenizer/utf8.h"

namespace tq {
namespace {

constexpr std::size_t kMaxTokens = std::size_t{1}
                                   << 24;  // far above any model; keeps ids and sums in 32 bits

// Texts that end a turn in models whose metadata does not say so, in llama.cpp's order of preference for EOT.
constexpr std::array<std::string_view, 11> kEotTexts = {
    "<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>",         "<|endoftext|>",     "<|end_of_text|>",
    "<EOT>",      "_<EOT>",     "[EOT]",   "<｜end▁of▁sentence｜>", "<end_of_utterance>"};
constexpr std::array<std::string_view, 23> kEogTexts = {"<|eot_id|>",
                                                        "<|im_end|>",
                                                        "<|end|>",
                                                        "<|return|>",
                                                        "<|call|>",
                                                        "<|flush|>",
                                                        "<|calls|>",
                                                        "<end_of_turn>",
                                                        "<|endoftext|>",
                                                        "</s>",
                                                        "<|eom_id|>",
                                                        "<EOT>",
                                                        "_<EOT>",
                                                        "[EOT]",
                                                        "[EOS]",
                                                        "<|end_of_text|>",
                                                        "<end_of_utterance>",
                                                        "<eos>",
                                                        "<turn|>",
                                                        "<|tool_response>",
                                                        "<｜end▁of▁sentence｜>",
                                                        "[e~[",
                                                        "<|eom_id|>"};
// Fill-in-the-middle markers that also end a generation.
constexpr std::array<std::string_view, 5> kFimPadTexts = {"<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>",
                                                          "[PAD]"};
constexpr std::array<std::string_view, 5> kFimRepTexts = {"<|fim_repo|>", "<|repo_name|>", "<fim-repo>",
                                                          "<REPO>", "<reponame>"};
constexpr std::array<std::string_view, 1> kFimSepTexts = {"<|file_sep|>"};
constexpr std::array<std::string_view, 8> kFimPreTexts = {"<|fim_prefix|>",  "<fim-prefix>", "<fim_prefix>",
                                                          "<｜fim▁begin｜>", "<PRE>",        "▁<PRE>",
                                                          "<|code_prefix|>", "<|prefix|>"};
constexpr std::array<std::string_view, 8> kFimSufTexts = {"<|fim_suffix|>",  "<fim-suffix>", "<fim_suffix>",
                                                          "<｜fim▁hole｜>",  "<SUF>",        "▁<SUF>",
                                                          "<|code_suffix|>", "<|suffix|>"};
constexpr std::array<std::string_view, 8> kFimMidTexts = {"<|fim_middle|>",  "<fim-middle>", "<fim_middle>",
                                                          "<｜fim▁end｜>",   "<MID>",        "▁<MID>",
                                                          "<|code_middle|>", "<|middle|>"};
// gpt-oss: always shown and always parsed.
constexpr std::array<std::string_view, 4> kHarmonyTexts = {"<|channel|>", "<|message|>", "<|start|>",
                                                           "<|constrain|>"};

Error bad_file(const GgufFile& file, const std::string& what) {
  return Error{ErrorCode::kBadFile, file.path() + ": " + what + "."};
}

std::uint8_t attr_of_type(std::int64_t type) {
  switch (type) {
    case 1:
      return kAttrNormal;
    case 2:
      return kAttrUnknown;
    case 3:
      return kAttrControl;
    case 4:
      return kAttrUserDefined;
    case 5:
      return kAttrUnused;
    case 6:
      return kAttrByte;
    default:
      return kAttrNone;
  }
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

// "<0x0A>" -> "\n"; anything else stands for itself.
std::string byte_token_bytes(const std::string& text) {
  if (text.size() != 6 || text.compare(0, 3, "<0x") != 0 || text[5] != '>') return text;
  const int high = hex_digit(text[3]), low = hex_digit(text[4]);
  if (high < 0 || low < 0) return text;
  return std::string(1, static_cast<char>(high << 4 | low));
}

void fill_bytes(Vocab::Entry& entry) {
  if ((entry.attr & (kAttrUnknown | kAttrControl | kAttrUserDefined)) != 0) {
    entry.bytes = entry.text;
  } else if ((entry.attr & kAttrNormal) != 0) {
    // A text outside the byte alphabet can't come out of BPE, only out of a hostile or broken vocabulary.
    if (!decode_byte_text(entry.text, entry.bytes)) entry.bytes = entry.text;
  } else if ((entry.attr & kAttrByte) != 0) {
    entry.bytes = byte_token_bytes(entry.text);
  }  // unused and undefined tokens print nothing
}

Expected<void> load_entries(const GgufFile& file, Vocab& vocab) {
  auto tokens = file.get_strings("tokenizer.ggml.tokens");
  if (!tokens) return tokens.error();
  if (*tokens == nullptr || (*tokens)->empty()) return bad_file(file, "it has no tokenizer.ggml.tokens");
  const std::vector<std::string_view>& texts = **tokens;
  if (texts.size() > kMaxTokens) return bad_file(file, "tokenizer.ggml.tokens is too long");
  auto types = file.get_ints("tokenizer.ggml.token_type");
  if (!types) return types.error();
  if (*types != nullptr && (*types)->size() != texts.size()) {
    return bad_file(file, "tokenizer.ggml.token_type has " + std::to_string((*types)->size()) +
                              " entries for " + std::to_string(texts.size()) + " tokens");
  }
  vocab.entries.resize(texts.size());
  vocab.by_text.reserve(texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    Vocab::Entry& entry = vocab.entries[i];
    entry.text = texts[i].empty() ? "[EMPTY_" + std::to_string(i) + "]" : std::string(texts[i]);
    if (*types != nullptr) entry.attr = attr_of_type((**types)[i]);
    const auto [same, inserted] = vocab.by_text.emplace(entry.text, static_cast<Token>(i));
    if (!inserted) {
      return bad_file(file, "tokens " + std::to_string(same->second) + " and " + std::to_string(i) +
                                " have the same text " + quoted(entry.text));
    }
  }
  return {};
}

// Scores play no part in BPE, but a list that does not fit the tokens means a damaged file.
Expected<void> check_scores(const GgufFile& file, std::size_t tokens) {
  const GgufValue* scores = file.find("tokenizer.ggml.scores");
  if (scores == nullptr) return {};
  const auto* array = std::get_if<GgufArray>(scores);
  if (array == nullptr) return bad_file(file, "tokenizer.ggml.scores is not an array");
  const std::size_t size = std::visit([](const auto& values) { return values.size(); }, *array);
  if (size == tokens) return {};
  return bad_file(file, "tokenizer.ggml.scores has " + std::to_string(size) + " entries for " +
                            std::to_string(tokens) + " tokens");
}

Expected<Token> special_id(const GgufFile& file, const char* key, const Vocab& vocab) {
  auto id = file.get_int_or(key, std::numeric_limits<std::int64_t>::min(),
                            std::numeric_limits<std::int64_t>::max(), -1);
  if (!id) return id.error();
  // Converters write "none" as -1, sometimes through an unsigned type.
  if (*id == -1 || *id == std::numeric_limits<std::uint32_t>::max()) return Token{-1};
  if (*id < 0 || *id >= static_cast<std::int64_t>(vocab.entries.size())) {
    return bad_file(file, std::string(key) + " is " + std::to_string(*id) + ", but there are only " +
                              std::to_string(vocab.entries.size()) + " tokens");
  }
  return static_cast<Token>(*id);
}

template <std::size_t N>
Token first_known(Vocab& vocab, const std::array<std::string_view, N>& texts) {
  for (const std::string_view text : texts) {
    const Token token = vocab.find(text);
    if (token < 0) continue;
    vocab.entries[static_cast<std::size_t>(token)].attr |= kAttrControl;
    return token;
  }
  return -1;
}

// The id that `key` names, else the first token whose text is known to play that role; such a token becomes
// control.
template <std::size_t N>
Expected<Token> role(const GgufFile& file, const char* key, Vocab& vocab,
                     const std::array<std::string_view, N>& texts) {
  auto id = special_id(file, key, vocab);
  if (!id || *id >= 0) return id;
  return first_known(vocab, texts);
}

void set_attr(Vocab& vocab, std::string_view text, std::uint8_t attr) {
  const Token token = vocab.find(text);
  if (token >= 0) vocab.entries[static_cast<std::size_t>(token)].attr = attr;
}

// Texts that mean an end in some families and not in others.
void settle_ambiguous_ends(Vocab& vocab) {
  const auto ends = [&vocab](std::string_view text) {
    return vocab.end_of_generation.count(vocab.find(text)) > 0;
  };
  const bool harmony = ends("<|return|>") && (ends("<|call|>") || ends("<|calls|>"));
  const bool solar = ends("<|flush|>") && (ends("<|call|>") || ends("<|calls|>"));
  if ((harmony || solar) && ends("<|end|>")) {
    vocab.end_of_generation.erase(vocab.find("<|end|>"));
    set_attr(vocab, "<|end|>", kAttrUserDefined);
  }
  if (ends("<|tool_response>") && ends("</s>")) {
    vocab.end_of_generation.erase(vocab.find("</s>"));
    set_attr(vocab, "</s>", kAttrNormal);
  }
}

Expected<void> load_roles(const GgufFile& file, Vocab& vocab) {
  auto bos = special_id(file, "tokenizer.ggml.bos_token_id", vocab);
  if (!bos) return bos.error();
  auto eos = special_id(file, "tokenizer.ggml.eos_token_id", vocab);
  if (!eos) return eos.error();
  vocab.bos = *bos;
  vocab.eos = *eos;
  constexpr std::array<std::string_view, 1> kEomTexts = {"<|eom_id|>"};
  const std::array<Expected<Token>, 8> ids = {
      role(file, "tokenizer.ggml.eot_token_id", vocab, kEotTexts),
      role(file, "tokenizer.ggml.eom_token_id", vocab, kEomTexts),
      role(file, "tokenizer.ggml.fim_pad_token_id", vocab, kFimPadTexts),
      role(file, "tokenizer.ggml.fim_rep_token_id", vocab, kFimRepTexts),
      role(file, "tokenizer.ggml.fim_sep_token_id", vocab, kFimSepTexts),
      role(file, "tokenizer.ggml.fim_pre_token_id", vocab, kFimPreTexts),
      role(file, "tokenizer.ggml.fim_suf_token_id", vocab, kFimSufTexts),
      role(file, "tokenizer.ggml.fim_mid_token_id", vocab, kFimMidTexts)};
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (!ids[i]) return ids[i].error();
    const bool ends = i < 5;  // prefix, suffix and middle markers end nothing
    if (ends && *ids[i] >= 0) vocab.end_of_generation.insert(*ids[i]);
  }
  if (vocab.eos >= 0) vocab.end_of_generation.insert(vocab.eos);
  for (const std::string_view text : kEogTexts) {
    const Token token = vocab.find(text);
    if (token < 0) continue;
    vocab.end_of_generation.insert(token);
    vocab.entries[static_cast<std::size_t>(token)].attr |= kAttrControl;
  }
  for (const std::string_view text : kHarmonyTexts) set_attr(vocab, text, kAttrUserDefined);
  settle_ambiguous_ends(vocab);
  return {};
}

}  // namespace

bool decode_byte_text(std::string_view text, std::string& bytes) {
  bytes.clear();
  while (!text.empty()) {
    const Utf8Char c = decode_lenient(text);
    const int byte = char_to_byte(c.code);
    if (byte < 0) return false;
    bytes.push_back(static_cast<char>(byte));
    text.remove_prefix(static_cast<std::size_t>(c.length));
  }
  return true;
}

Token Vocab::find(std::string_view text) const {
  const auto found = by_text.find(text);
  return found == by_text.end() ? -1 : found->second;
}

Expected<Vocab> Vocab::load(const GgufFile& file) {
  Vocab vocab;
  if (auto ok = load_entries(file, vocab); !ok) return ok.error();
  if (auto ok = check_scores(file, vocab.entries.size()); !ok) return ok.error();
  if (auto ok = load_roles(file, vocab); !ok) return ok.error();
  for (Entry& entry : vocab.entries) fill_bytes(entry);
  return vocab;
}

}  // namespace tq
