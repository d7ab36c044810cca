// The tokens of a vocabulary that have a role: by the file's metadata, else by their texts, as llama.cpp
// finds them.
#include <algorithm>
#include <array>
#include <cctype>
#include <limits>

#include "tokenizer/vocab.h"

namespace tq {
namespace {

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

// What the vocabularies of a kind have when the file does not say.
struct DefaultIds {
  Token bos, eos, unknown, separator;
};

DefaultIds default_ids(VocabKind kind) {
  switch (kind) {
    case VocabKind::kByteLevel:
    case VocabKind::kMergedChars:
      break;
    case VocabKind::kSentencePiece:
      return {1, 2, 0, -1};
    case VocabKind::kUnigram:
      return {-1, 1, 2, -1};
    case VocabKind::kWordPiece:
      return {101, -1, 100, 102};
  }
  return {-1, -1, -1, -1};
}

// tokenizer.ggml.<name>_token_id.
Expected<Token> special_id(const GgufFile& file, std::string_view name, const Vocab& vocab, Token fallback) {
  const std::string key = "tokenizer.ggml." + std::string(name) + "_token_id";
  const auto n_tokens = static_cast<std::int64_t>(vocab.size());
  if (file.find(key) == nullptr) return fallback < n_tokens ? fallback : Token{-1};
  auto id =
      file.get_int(key, std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max());
  if (!id) return id.error();
  // Converters write "none" as -1, sometimes through an unsigned type.
  if (*id == -1 || *id == std::numeric_limits<std::uint32_t>::max()) return Token{-1};
  if (*id < 0 || *id >= n_tokens) {
    return Error{ErrorCode::kBadFile, file.path() + ": " + key + " is " + std::to_string(*id) +
                                          ", but there are only " + std::to_string(n_tokens) + " tokens."};
  }
  return static_cast<Token>(*id);
}

template <std::size_t N>
Token first_known(Vocab& vocab, const std::array<std::string_view, N>& texts) {
  for (const std::string_view text : texts) {
    const Token token = vocab.find(text);
    if (token < 0) continue;
    vocab.attrs[static_cast<std::size_t>(token)] |= kAttrControl;
    return token;
  }
  return -1;
}

// The id that the file gives the role `name` (or, in old files, `old_name`), else the first token whose text
// is known to play it; such a token becomes control.
template <std::size_t N>
Expected<Token> role(const GgufFile& file, std::string_view name, Vocab& vocab,
                     const std::array<std::string_view, N>& texts, std::string_view old_name = {}) {
  auto id = special_id(file, name, vocab, -1);
  if (id && *id < 0 && !old_name.empty()) id = special_id(file, old_name, vocab, -1);
  if (!id || *id >= 0) return id;
  return first_known(vocab, texts);
}

void set_attr(Vocab& vocab, std::string_view text, std::uint8_t attr) {
  const Token token = vocab.find(text);
  if (token >= 0) vocab.attrs[static_cast<std::size_t>(token)] = attr;
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

// The tokens at which a generation ends, and what that makes of their attributes.
Expected<void> load_ends(const GgufFile& file, Vocab& vocab) {
  constexpr std::array<std::string_view, 1> kEomTexts = {"<|eom_id|>"};
  const std::array<Expected<Token>, 8> ids = {role(file, "eot", vocab, kEotTexts),
                                              role(file, "eom", vocab, kEomTexts),
                                              role(file, "fim_pad", vocab, kFimPadTexts),
                                              role(file, "fim_rep", vocab, kFimRepTexts),
                                              role(file, "fim_sep", vocab, kFimSepTexts),
                                              role(file, "fim_pre", vocab, kFimPreTexts, "prefix"),
                                              role(file, "fim_suf", vocab, kFimSufTexts, "suffix"),
                                              role(file, "fim_mid", vocab, kFimMidTexts, "middle")};
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (!ids[i]) return ids[i].error();
    const bool ends = i < 5;  // prefix, suffix and middle markers end nothing
    if (ends && *ids[i] >= 0) vocab.end_of_generation.insert(*ids[i]);
  }
  vocab.fill = {
      .prefix = *ids[5], .suffix = *ids[6], .middle = *ids[7], .repository = *ids[3], .file = *ids[4]};
  if (vocab.eos >= 0) vocab.end_of_generation.insert(vocab.eos);
  for (const std::string_view text : kEogTexts) {
    const Token token = vocab.find(text);
    if (token < 0) continue;
    vocab.end_of_generation.insert(token);
    vocab.attrs[static_cast<std::size_t>(token)] |= kAttrControl;
  }
  for (const std::string_view text : kHarmonyTexts) set_attr(vocab, text, kAttrUserDefined);
  settle_ambiguous_ends(vocab);
  return {};
}

void add_attr(Vocab& vocab, std::string_view text, std::uint8_t attr) {
  const Token token = vocab.find(text);
  if (token >= 0) vocab.attrs[static_cast<std::size_t>(token)] |= attr;
}

// Special tokens that swallow the white space beside them: files do not say so, the models' names do.
Expected<void> load_strips(const GgufFile& file, Vocab& vocab) {
  const auto architecture = file.get_string_or("general.architecture", "");
  const auto pre = file.get_string_or("tokenizer.ggml.pre", "");
  const auto general_name = file.get_string_or("general.name", "");
  for (const auto* text : {&architecture, &pre, &general_name}) {
    if (!*text) return text->error();
  }
  std::string name(*general_name);
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const auto has = [](std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
  };
  if (has(*pre, "jina-v2-de") || has(*pre, "jina-v2-es") || has(*pre, "jina-v2-code") ||
      has(*architecture, "nomic-bert-moe") || has(*architecture, "jina-bert-v3")) {
    add_attr(vocab, "<mask>", kAttrStripsLeft);
  } else if (has(name, "phi-3") || has(name, "phi3")) {
    for (std::uint8_t& attr : vocab.attrs) {
      if ((attr & (kAttrControl | kAttrUserDefined | kAttrUnknown)) != 0) attr |= kAttrStripsRight;
    }
    add_attr(vocab, "</s>", kAttrStripsRight);
    for (const std::string_view text : {"<unk>", "<s>", "<|endoftext|>"}) {
      const Token token = vocab.find(text);
      if (token >= 0) vocab.attrs[static_cast<std::size_t>(token)] &= ~unsigned{kAttrStripsRight};
    }
  } else if (has(name, "modern-bert")) {
    add_attr(vocab, "[MASK]", kAttrStripsLeft);
  }
  return {};
}

}  // namespace

Expected<void> load_roles(const GgufFile& file, Vocab& vocab) {
  const DefaultIds defaults = default_ids(vocab.kind);
  struct Id {
    const char* name;
    Token fallback;
    Token* target;
  };
  for (const Id& id : {Id{"bos", defaults.bos, &vocab.bos}, Id{"eos", defaults.eos, &vocab.eos},
                       Id{"unknown", defaults.unknown, &vocab.unknown},
                       Id{"seperator", defaults.separator, &vocab.separator}}) {  // spelled so in the format
    auto token = special_id(file, id.name, vocab, id.fallback);
    if (!token) return token.error();
    *id.target = *token;
  }
  if (auto ok = load_ends(file, vocab); !ok) return ok;
  return load_strips(file, vocab);
}

}  // namespace tq
