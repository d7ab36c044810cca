#include "engine/session_file.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <type_traits>

#include "base/atomic_file.h"
#include "base/hash.h"

namespace tq {
namespace {

static_assert(std::endian::native == std::endian::little, "files are read and written as they are in memory");

constexpr std::uint32_t kVersion = 2;

struct Header {
  char magic[8] = {'T', 'Q', 'S', 'E', 'S', 'S', 'N', 0};
  std::uint32_t version = kVersion;
  std::uint32_t n_layers = 0;
  std::uint32_t n_kv_heads = 0;
  std::uint32_t head_dim = 0;
  std::uint64_t fingerprint = 0;
  std::int64_t n_tokens = 0;
};
static_assert(sizeof(Header) == 40);

constexpr std::size_t kChecksumBytes = sizeof(std::uint64_t);

Header header_of(const SessionFormat& format, std::size_t n_tokens) {
  Header h;
  h.n_layers = static_cast<std::uint32_t>(format.shape.n_layers);
  h.n_kv_heads = static_cast<std::uint32_t>(format.shape.n_kv_heads);
  h.head_dim = static_cast<std::uint32_t>(format.shape.head_dim);
  h.fingerprint = format.fingerprint;
  h.n_tokens = static_cast<std::int64_t>(n_tokens);
  return h;
}

constexpr auto kWindowed = std::byte{128};

std::vector<std::byte> type_ids(const SessionFormat& format) {
  std::vector<std::byte> ids;
  for (std::size_t i = 0; i < format.plan.layers.size(); ++i) {
    const bool is_windowed = !format.is_windowed.empty() && format.is_windowed[i];
    ids.push_back(static_cast<std::byte>(format.plan.layers[i].k) | (is_windowed ? kWindowed : std::byte{0}));
    ids.push_back(static_cast<std::byte>(format.plan.layers[i].v));
  }
  return ids;
}

std::size_t n_pages(std::size_t n_tokens) {
  return static_cast<std::size_t>(pages_for(static_cast<std::int64_t>(n_tokens)));
}

void append(std::vector<std::byte>& to, std::span<const std::byte> bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}

template <class T>
std::span<const std::byte> bytes_of(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

Error bad(const std::string& name, const std::string& problem) {
  return {ErrorCode::kBadFile, name + ": " + problem + "."};
}

// Takes values from the front of a file; false when it is too short.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : rest_(bytes) {}

  bool read_bytes(std::span<std::byte> to) {
    if (rest_.size() < to.size()) return false;
    if (!to.empty()) std::memcpy(to.data(), rest_.data(), to.size());
    rest_ = rest_.subspan(to.size());
    return true;
  }
  template <class T>
  requires std::is_trivially_copyable_v<T>
  bool read(T& value) { return read_bytes(std::as_writable_bytes(std::span(&value, 1))); }
  std::span<const std::byte> rest() const { return rest_; }

 private:
  std::span<const std::byte> rest_;
};

// Header and types: what the file was saved from.
Expected<std::size_t> read_origin(Reader& reader, const std::string& name, const SessionFormat& format,
                                  std::int64_t n_ctx) {
  Header header;
  if (!reader.read(header) || std::memcmp(header.magic, Header().magic, sizeof header.magic) != 0) {
    return bad(name, "this is no saved session");
  }
  if (header.version != kVersion) {
    return bad(name, "the session has version " + std::to_string(header.version) +
                         ", and this program reads version " + std::to_string(kVersion));
  }
  const Header wanted = header_of(format, static_cast<std::size_t>(header.n_tokens));
  if (std::memcmp(&header, &wanted, sizeof header) != 0) {
    return bad(name, "the session was saved with another model; name another file");
  }
  const std::vector<std::byte> wanted_ids = type_ids(format);
  std::vector<std::byte> ids(wanted_ids.size());
  if (!reader.read_bytes(ids)) return bad(name, "the file is cut short");
  if (ids != wanted_ids) {
    return bad(
        name,
        "the session was saved with other cache types (-ctk, -ctv, --layer-adaptive, --swa-full); use the "
        "same, "
        "or name another file");
  }
  if (header.n_tokens < 0 || header.n_tokens > n_ctx) {
    return bad(name, "the session has " + std::to_string(header.n_tokens) +
                         " tokens, but the context holds " + std::to_string(n_ctx) +
                         "; use a longer one (-c)");
  }
  return static_cast<std::size_t>(header.n_tokens);
}

std::size_t state_bytes_in_file(const SessionFormat& format) {
  const std::size_t bytes = format.recurrent.bytes();
  return bytes == 0 ? 0 : bytes + kChecksumBytes;
}

bool is_state_intact(std::span<const std::byte> state) {
  if (state.empty()) return true;
  std::uint64_t checksum = 0;
  const auto values = state.first(state.size() - kChecksumBytes);
  std::memcpy(&checksum, values.data() + values.size(), kChecksumBytes);
  return checksum == hash64(values);
}

}  // namespace

Expected<void> save_session(const std::string& path, const SessionFormat& format, const Timeline& timeline) {
  const std::span<const Token> tokens(timeline.tokens);
  const KvCache& cache = timeline.cache;
  auto file = AtomicFile::create(path, FileAccess::kOwner);
  if (!file) return file.error();
  std::vector<std::byte> head;
  append(head, bytes_of(header_of(format, tokens.size())));
  append(head, type_ids(format));
  const std::size_t n = n_pages(tokens.size());
  for (std::size_t p = 0; p < n; ++p)
    head.push_back(static_cast<std::byte>(cache.is_whole(static_cast<std::int64_t>(p))));
  append(head, std::as_bytes(tokens));
  append(head, bytes_of(hash64(head)));
  file->write(head);
  std::vector<std::byte> buffer(cache.page_bytes(true));
  for (std::size_t p = 0; p < n; ++p) {
    const auto number = static_cast<std::int64_t>(p);
    const auto page = std::span(buffer).first(cache.page_bytes(cache.is_whole(number)));
    cache.read_page(number, page.data());
    file->write(page);
    file->write(bytes_of(hash64(page, p)));
  }
  if (const auto state = timeline.recurrent.state().contents(); !state.empty()) {
    file->write(state);
    file->write(bytes_of(hash64(state)));
  }
  return file->commit();
}

// Of a page and its checksum.
std::size_t SavedSession::stored_bytes(std::size_t page, const SessionFormat& format) const {
  const bool is_whole = is_whole_[page] != std::byte{0};
  return format.page.whole + (is_whole ? format.page.windowed : 0) + kChecksumBytes;
}

bool SavedSession::are_pages_intact(const SessionFormat& format) const {
  std::span<const std::byte> rest = pages_;
  for (std::size_t p = 0; p < is_whole_.size(); ++p) {
    const auto page = rest.first(stored_bytes(p, format) - kChecksumBytes);
    std::uint64_t checksum = 0;
    std::memcpy(&checksum, page.data() + page.size(), kChecksumBytes);
    if (checksum != hash64(page, p)) return false;
    rest = rest.subspan(page.size() + kChecksumBytes);
  }
  return true;
}

Expected<SavedSession> SavedSession::parse(std::span<const std::byte> bytes, const std::string& name,
                                           const SessionFormat& format, std::int64_t n_ctx) {
  Reader reader(bytes);
  const auto n_tokens = read_origin(reader, name, format, n_ctx);
  if (!n_tokens) return n_tokens.error();
  SavedSession session;
  session.tokens_.resize(*n_tokens);
  session.is_whole_.resize(n_pages(*n_tokens));
  std::uint64_t checksum = 0;
  const bool has_head = reader.read_bytes(session.is_whole_) &&
                        reader.read_bytes(std::as_writable_bytes(std::span(session.tokens_))) &&
                        reader.read(checksum);
  std::size_t size = state_bytes_in_file(format);
  for (std::size_t p = 0; p < session.is_whole_.size(); ++p) size += session.stored_bytes(p, format);
  if (!has_head || reader.rest().size() != size) return bad(name, "the file is cut short, or too long");
  const auto head = bytes.first(bytes.size() - reader.rest().size() - kChecksumBytes);
  session.pages_ = reader.rest().first(reader.rest().size() - state_bytes_in_file(format));
  session.state_ = reader.rest().last(state_bytes_in_file(format));
  if (checksum != hash64(head) || !session.are_pages_intact(format) || !is_state_intact(session.state_)) {
    return bad(name, "a checksum is wrong: the file is damaged; delete it");
  }
  const auto is_unknown = [&](Token token) { return token < 0 || token >= format.n_vocab; };
  if (std::ranges::any_of(session.tokens_, is_unknown)) {
    return bad(name, "a token id is outside the model's vocabulary");
  }
  return session;
}

Expected<void> SavedSession::load(KvCache& cache, RecurrentState& state) const {
  const auto n = static_cast<std::int64_t>(tokens_.size());
  if (auto ok = cache.reserve(0, n); !ok) return ok;
  // Of pages that are whole only the last are of use, and those that are said to be may be any.
  const std::int64_t first_whole = cache.first_page_seen(n);
  const std::byte* page = pages_.data();
  for (std::int64_t p = 0; p < pages_for(n); ++p) {
    const bool is_whole = is_whole_[static_cast<std::size_t>(p)] != std::byte{0};
    if (is_whole && p >= first_whole) {
      if (auto ok = cache.open(p * kPageTokens, p * kPageTokens + 1); !ok) return ok;
    }
    cache.write_page(p, page);
    page += cache.page_bytes(is_whole) + kChecksumBytes;
  }
  std::ranges::copy(state_.first(state.bytes()), state.contents().begin());
  return {};
}

}  // namespace tq
