#include "tokenizer/pre_tokenizer.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "tokenizer/utf8.h"

namespace tq {
namespace {

// Code points that Unicode 15.1, whose categories llama.cpp carries, assigned after the version of the oldest
// PCRE2 we build with (10.42: Unicode 14). They are matched as a stand-in: a character of the same category
// and UTF-8 length. tests/tokenizer/test_unicode_oracle.py checks every code point and prints the rows that
// are missing.
struct StandIn {
  std::uint32_t first, last, as;
};
constexpr std::uint32_t kMark3 = 0x0901, kSymbol3 = 0x2FF0, kOther3 = 0xE000;
constexpr std::uint32_t kLetter4 = 0x20000, kNumber4 = 0x1D7CE, kMark4 = 0xE0100, kPunct4 = 0x10100,
                        kSymbol4 = 0x1F600;
constexpr std::array kStandIns = {
    StandIn{0x0CF3, 0x0CF3, kMark3},     StandIn{0x0ECE, 0x0ECE, kMark3},
    StandIn{0x2FFC, 0x2FFF, kSymbol3},   StandIn{0x31EF, 0x31EF, kSymbol3},
    StandIn{0xD800, 0xDFFF, kOther3},  // surrogates: llama.cpp lets them through, PCRE2 does not
    StandIn{0x10EFD, 0x10EFF, kMark4},   StandIn{0x1123F, 0x11240, kLetter4},
    StandIn{0x11241, 0x11241, kMark4},   StandIn{0x11B00, 0x11B09, kPunct4},
    StandIn{0x11F00, 0x11F01, kMark4},   StandIn{0x11F02, 0x11F02, kLetter4},
    StandIn{0x11F03, 0x11F03, kMark4},   StandIn{0x11F04, 0x11F10, kLetter4},
    StandIn{0x11F12, 0x11F33, kLetter4}, StandIn{0x11F34, 0x11F3A, kMark4},
    StandIn{0x11F3E, 0x11F42, kMark4},   StandIn{0x11F43, 0x11F4F, kPunct4},
    StandIn{0x11F50, 0x11F59, kNumber4}, StandIn{0x1342F, 0x1342F, kLetter4},
    StandIn{0x13440, 0x13440, kMark4},   StandIn{0x13441, 0x13446, kLetter4},
    StandIn{0x13447, 0x13455, kMark4},   StandIn{0x1B132, 0x1B132, kLetter4},
    StandIn{0x1B155, 0x1B155, kLetter4}, StandIn{0x1D2C0, 0x1D2D3, kNumber4},
    StandIn{0x1DF25, 0x1DF2A, kLetter4}, StandIn{0x1E030, 0x1E06D, kLetter4},
    StandIn{0x1E08F, 0x1E08F, kMark4},   StandIn{0x1E4D0, 0x1E4EB, kLetter4},
    StandIn{0x1E4EC, 0x1E4EF, kMark4},   StandIn{0x1E4F0, 0x1E4F9, kNumber4},
    StandIn{0x1F6DC, 0x1F6DC, kSymbol4}, StandIn{0x1F774, 0x1F776, kSymbol4},
    StandIn{0x1F77B, 0x1F77F, kSymbol4}, StandIn{0x1F7D9, 0x1F7D9, kSymbol4},
    StandIn{0x1FA75, 0x1FA77, kSymbol4}, StandIn{0x1FA87, 0x1FA88, kSymbol4},
    StandIn{0x1FAAD, 0x1FAAF, kSymbol4}, StandIn{0x1FABB, 0x1FABD, kSymbol4},
    StandIn{0x1FABF, 0x1FABF, kSymbol4}, StandIn{0x1FACE, 0x1FACF, kSymbol4},
    StandIn{0x1FADA, 0x1FADB, kSymbol4}, StandIn{0x1FAE8, 0x1FAE8, kSymbol4},
    StandIn{0x1FAF7, 0x1FAF8, kSymbol4}, StandIn{0x2B739, 0x2B739, kLetter4},
    StandIn{0x2EBF0, 0x2EE5D, kLetter4}, StandIn{0x31350, 0x323AF, kLetter4},
};

std::uint32_t stand_in(std::uint32_t code) {
  if (code < kStandIns.front().first) return code;
  const auto* row = std::upper_bound(kStandIns.begin(), kStandIns.end(), code,
                                     [](std::uint32_t c, const StandIn& s) { return c < s.first; });
  --row;
  return code <= row->last ? row->as : code;
}

// Text as llama.cpp would write it back after decoding. `storage` holds it only when it differs from `text`.
std::string_view normalise(std::string_view text, std::string& storage) {
  std::size_t valid = 0;
  while (valid < text.size()) {
    const int length = strict_utf8_length(text.substr(valid));
    if (length == 0) break;
    valid += static_cast<std::size_t>(length);
  }
  if (valid == text.size()) return text;
  storage.assign(text.substr(0, valid));
  while (valid < text.size()) {
    const Utf8Char c = decode_lenient(text.substr(valid));
    append_utf8(storage, c.code);
    valid += static_cast<std::size_t>(c.length);
  }
  return storage;
}

// What PCRE2 sees: the same bytes except for stand-ins, so that offsets agree.
std::string_view subject_of(std::string_view text, std::string& storage) {
  storage.clear();
  for (std::size_t i = 0; i < text.size();) {
    if (static_cast<unsigned char>(text[i]) < 0xE0) {  // no stand-in is shorter than three bytes
      ++i;
      continue;
    }
    const Utf8Char c = decode_lenient(text.substr(i));
    const std::uint32_t seen = stand_in(c.code);
    if (seen != c.code) {
      if (storage.empty()) storage = text;
      std::string bytes;
      append_utf8(bytes, seen);
      storage.replace(i, bytes.size(), bytes);
    }
    i += static_cast<std::size_t>(c.length);
  }
  return storage.empty() ? text : std::string_view(storage);
}

struct FreeCode {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct FreeMatch {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};
using Code = std::unique_ptr<pcre2_code, FreeCode>;
using MatchData = std::unique_ptr<pcre2_match_data, FreeMatch>;

struct Piece {
  std::size_t begin, end;
};

// Appends to `out` the matches within one piece and what lies between them.
void split_piece(const pcre2_code* code, pcre2_match_data* match, std::string_view subject, Piece piece,
                 std::vector<Piece>& out) {
  const auto* text = reinterpret_cast<PCRE2_SPTR>(subject.data()) + piece.begin;
  const std::size_t size = piece.end - piece.begin;
  std::size_t at = 0;
  while (at < size) {
    int found = pcre2_match(code, text, size, at, PCRE2_NO_UTF_CHECK, match, nullptr);
    if (found == PCRE2_ERROR_JIT_STACKLIMIT) {
      found = pcre2_match(code, text, size, at, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, match, nullptr);
    }
    if (found <= 0) break;  // no match, or a limit of PCRE2: the rest stays one word
    const PCRE2_SIZE* range = pcre2_get_ovector_pointer(match);
    if (range[1] <= range[0]) break;
    if (range[0] > at) out.push_back({piece.begin + at, piece.begin + range[0]});
    out.push_back({piece.begin + range[0], piece.begin + range[1]});
    at = range[1];
  }
  if (at < size) out.push_back({piece.begin + at, piece.end});
}

}  // namespace

struct PreTokenizer::Impl {
  std::vector<Code> codes;
};

PreTokenizer::PreTokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PreTokenizer::PreTokenizer(PreTokenizer&&) noexcept = default;
PreTokenizer& PreTokenizer::operator=(PreTokenizer&&) noexcept = default;
PreTokenizer::~PreTokenizer() = default;

Expected<PreTokenizer> PreTokenizer::compile(const PreTokenizerSpec& spec) {
  auto impl = std::make_unique<Impl>();
  for (const std::string& pattern : spec.patterns) {
    int error = 0;
    PCRE2_SIZE offset = 0;
    Code code(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), PCRE2_UTF, &error,
                            &offset, nullptr));
    if (code == nullptr) {
      return Error{ErrorCode::kUnsupported,
                   "this PCRE2 cannot compile the pre-tokenizer \"" + std::string(spec.name) + "\" (error " +
                       std::to_string(error) + " at " + std::to_string(offset) + ")."};
    }
    pcre2_jit_compile(code.get(),
                      PCRE2_JIT_COMPLETE);  // without JIT the interpreter runs: slower, same matches
    impl->codes.push_back(std::move(code));
  }
  return PreTokenizer(std::move(impl));
}

void PreTokenizer::split(std::string_view raw, const std::function<void(std::string_view)>& on_word) const {
  if (raw.empty()) return;
  std::string normal_storage, subject_storage;
  const std::string_view text = normalise(raw, normal_storage);
  const std::string_view subject = subject_of(text, subject_storage);
  std::vector<Piece> pieces = {{0, text.size()}}, next;
  for (const Code& code : impl_->codes) {
    const MatchData match(pcre2_match_data_create_from_pattern(code.get(), nullptr));
    if (match == nullptr) continue;
    next.clear();
    for (const Piece& piece : pieces) split_piece(code.get(), match.get(), subject, piece, next);
    pieces.swap(next);
  }
  for (const Piece& piece : pieces) on_word(text.substr(piece.begin, piece.end - piece.begin));
}

}  // namespace tq
