// The codec on its own: arrays of pages of any length and alignment.
#include <array>
#include <limits>
#include <vector>

#include "base/cpu.h"
#include "capi/capi.h"
#include "codec/codec.h"

struct tq_codec {  // NOLINT(readability-identifier-naming)
  std::unique_ptr<tq::KvCodec> codec;
};

namespace tq::capi {
namespace {

static_assert(kPageTokens == TQ_PAGE_ROWS);

constexpr std::size_t kPageAlignment = 64;
constexpr std::size_t kPageRows = TQ_PAGE_ROWS;

template <class T>
struct AlignedDelete {
  void operator()(T* p) const { ::operator delete (p, std::align_val_t{kPageAlignment}); }
};

template <class T>
using AlignedArray = std::unique_ptr<T[], AlignedDelete<T>>;

template <class T>
AlignedArray<T> aligned_array(std::size_t n) {
  return AlignedArray<T>(static_cast<T*>(::operator new (n * sizeof(T), std::align_val_t{kPageAlignment})));
}

std::size_t page_count(std::size_t n_rows) { return n_rows / kPageRows + (n_rows % kPageRows != 0 ? 1 : 0); }

// 0 when it does not fit an address space.
std::size_t pages_size(const KvCodec& codec, std::size_t n_rows) {
  const std::size_t n_pages = page_count(n_rows);
  return n_pages > std::numeric_limits<std::size_t>::max() / codec.page_bytes()
             ? 0
             : n_pages * codec.page_bytes();
}

// The rows [first, first + n) of an array of pages, checked against its size.
struct Rows {
  std::size_t first;
  std::size_t n;
};

Expected<void> check_rows(const char* function, const KvCodec& codec, std::size_t size, const Rows& rows) {
  const bool overflows = rows.first > std::numeric_limits<std::size_t>::max() - rows.n;
  const std::size_t needed = overflows ? 0 : pages_size(codec, rows.first + rows.n);
  if (rows.n == 0 || (needed != 0 && needed <= size)) return {};
  return bad_argument(std::string(function) + ": the pages have " + std::to_string(size) +
                      " bytes, which is too little for rows " + std::to_string(rows.first) + " to " +
                      std::to_string(rows.first + rows.n - 1) +
                      "; tq_codec_pages_size() says how many it takes.");
}

// A page where the codec can work on it: in place, or as an aligned copy.
class PageReader {
 public:
  PageReader(const KvCodec& codec, const void* pages)
      : page_bytes_(codec.page_bytes()), pages_(static_cast<const std::byte*>(pages)) {
    if (reinterpret_cast<std::uintptr_t>(pages) % kPageAlignment != 0)
      copy_ = aligned_array<std::byte>(page_bytes_);
  }

  const std::byte* page(std::size_t index) {
    const std::byte* source = pages_ + index * page_bytes_;
    if (!copy_) return source;
    std::memcpy(copy_.get(), source, page_bytes_);
    return copy_.get();
  }

 private:
  std::size_t page_bytes_;
  const std::byte* pages_;
  AlignedArray<std::byte> copy_;
};

// The part of one page that a range of rows has.
struct Piece {
  std::size_t page;
  int begin, end;    // rows of the page
  std::size_t done;  // rows of the range before it
  std::size_t size() const { return static_cast<std::size_t>(end - begin); }
};

template <class Visit>
void for_each_page(const Rows& rows, Visit&& visit) {
  for (std::size_t done = 0; done < rows.n;) {
    const std::size_t row = rows.first + done;
    const std::size_t begin = row % kPageRows;
    const std::size_t end = std::min(kPageRows, begin + rows.n - done);
    visit(Piece{row / kPageRows, static_cast<int>(begin), static_cast<int>(end), done});
    done += end - begin;
  }
}

void encode(const KvCodec& codec, const float* rows, void* pages, const Rows& range) {
  const auto dim = static_cast<std::size_t>(codec.head_dim());
  const std::size_t page_bytes = codec.page_bytes();
  const bool in_place = reinterpret_cast<std::uintptr_t>(pages) % kPageAlignment == 0;
  const auto copy = in_place ? AlignedArray<std::byte>() : aligned_array<std::byte>(page_bytes);
  for_each_page(range, [&](const Piece& piece) {
    std::byte* target = static_cast<std::byte*>(pages) + piece.page * page_bytes;
    std::byte* page = in_place ? target : copy.get();
    if (!in_place) std::memcpy(page, target, page_bytes);
    for (int slot = piece.begin; slot < piece.end; ++slot) {
      codec.encode(rows + (piece.done + static_cast<std::size_t>(slot - piece.begin)) * dim, page, slot);
    }
    if (!in_place) std::memcpy(target, page, page_bytes);
  });
}

void decode(const KvCodec& codec, const void* pages, const Rows& range, float* rows) {
  const auto dim = static_cast<std::size_t>(codec.head_dim());
  PageReader reader(codec, pages);
  for_each_page(range, [&](const Piece& piece) {
    float* out = rows + piece.done * dim;
    codec.decode(reader.page(piece.page), piece.begin, piece.end, out);
    for (std::size_t i = 0; i < piece.size(); ++i) codec.unrotate(out + i * dim);
  });
}

// At most kMaxGroupQueries at a time, as the codec takes them.
template <class Visit>
void for_each_group(std::size_t n_queries, Visit&& visit) {
  for (std::size_t first = 0; first < n_queries; first += kMaxGroupQueries)
    visit(first, std::min<std::size_t>(kMaxGroupQueries, n_queries - first));
}

void score(const KvCodec& codec, const void* pages, const Rows& range, const float* queries,
           std::size_t n_queries, float* scores) {
  const auto dim = static_cast<std::size_t>(codec.head_dim());
  PageReader reader(codec, pages);
  std::vector<float> rotated(kMaxGroupQueries * dim);
  std::vector<float> by_slot(kMaxGroupQueries * kPageRows);
  const auto prepared = aligned_array<std::byte>(codec.query_bytes(kMaxGroupQueries));
  for_each_group(n_queries, [&](std::size_t first, std::size_t n) {
    std::copy_n(queries + first * dim, n * dim, rotated.begin());
    for (std::size_t h = 0; h < n; ++h) codec.rotate(rotated.data() + h * dim);
    codec.prepare_queries(rotated.data(), static_cast<int>(n), prepared.get());
    for_each_page(range, [&](const Piece& piece) {
      codec.score(reader.page(piece.page), piece.begin, piece.end, prepared.get(), static_cast<int>(n),
                  by_slot.data());
      for (std::size_t h = 0; h < n; ++h) {
        std::copy_n(by_slot.data() + h * kPageRows + piece.begin, piece.size(),
                    scores + (first + h) * range.n + piece.done);
      }
    });
  });
}

void mix(const KvCodec& codec, const void* pages, const Rows& range, const float* weights,
         std::size_t n_queries, float* mixed) {
  const auto dim = static_cast<std::size_t>(codec.head_dim());
  PageReader reader(codec, pages);
  std::vector<float> by_slot(kMaxGroupQueries * kPageRows);
  std::fill_n(mixed, n_queries * dim, 0.0F);
  for_each_group(n_queries, [&](std::size_t first, std::size_t n) {
    for_each_page(range, [&](const Piece& piece) {
      for (std::size_t h = 0; h < n; ++h) {
        std::copy_n(weights + (first + h) * range.n + piece.done, piece.size(),
                    by_slot.data() + h * kPageRows + piece.begin);
      }
      codec.mix(reader.page(piece.page), piece.begin, piece.end, by_slot.data(), static_cast<int>(n),
                mixed + first * dim);
    });
    for (std::size_t h = 0; h < n; ++h) codec.unrotate(mixed + (first + h) * dim);
  });
}

constexpr auto kTypeIds = [] {
  std::array<tq_kv_type, kAllKvTypes.size()> ids{};
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<tq_kv_type>(kAllKvTypes[i]);
  return ids;
}();

}  // namespace

Expected<KvType> kv_type(tq_kv_type id) {
  for (const KvType type : kAllKvTypes) {
    if (static_cast<tq_kv_type>(type) == id) return type;
  }
  return bad_argument("there is no KV cache type " + std::to_string(id) + "; tq_kv_types() lists them.");
}

}  // namespace tq::capi

using namespace tq::capi;
using tq::Expected;

size_t tq_kv_types(const tq_kv_type** types) {
  if (types != nullptr) *types = kTypeIds.data();
  return kTypeIds.size();
}

const char* tq_kv_type_name(tq_kv_type id) {
  for (const tq::KvType type : tq::kAllKvTypes) {
    if (static_cast<tq_kv_type>(type) == id) return tq::kv_type_name(type).data();  // a literal
  }
  return nullptr;
}

tq_status tq_kv_type_parse(const char* name, tq_kv_type* type, tq_error* error) {
  return guarded(error, [&]() -> Expected<void> {
    if (auto ok = require("tq_kv_type_parse", {{"name", name}, {"type", type}}); !ok) return ok;
    const auto parsed = tq::parse_kv_type(name);
    if (!parsed) return parsed.error();
    *type = static_cast<tq_kv_type>(*parsed);
    return {};
  });
}

tq_status tq_codec_create(tq_kv_type type, int32_t head_dim, tq_codec** codec, tq_error* error) {
  return guarded(error, [&]() -> Expected<void> {
    if (auto ok = require("tq_codec_create", {{"codec", codec}}); !ok) return ok;
    *codec = nullptr;
    const auto known = kv_type(type);
    if (!known) return known.error();
    const auto isa = tq::select_isa();
    if (!isa) return isa.error();
    auto made = tq::KvCodec::create(*known, head_dim, *isa);
    if (!made) return made.error();
    *codec = new tq_codec{.codec = *std::move(made)};
    return {};
  });
}

void tq_codec_free(tq_codec* codec) { delete codec; }

size_t tq_codec_row_bytes(const tq_codec* codec) {
  return codec != nullptr ? codec->codec->token_bytes() : 0;
}

size_t tq_codec_page_bytes(const tq_codec* codec) {
  return codec != nullptr ? codec->codec->page_bytes() : 0;
}

size_t tq_codec_pages_size(const tq_codec* codec, size_t n_rows) {
  return codec != nullptr ? pages_size(*codec->codec, n_rows) : 0;
}

tq_status tq_codec_encode(const tq_codec* codec, const float* rows, size_t n_rows, void* pages,
                          size_t pages_size, size_t first_row, tq_error* error) {
  return guarded(error, [&]() -> Expected<void> {
    constexpr const char* kName = "tq_codec_encode";
    if (auto ok =
            require(kName, {{"codec", codec}, array("rows", rows, n_rows), array("pages", pages, n_rows)});
        !ok)
      return ok;
    const Rows range{first_row, n_rows};
    if (auto ok = check_rows(kName, *codec->codec, pages_size, range); !ok) return ok;
    encode(*codec->codec, rows, pages, range);
    return {};
  });
}

tq_status tq_codec_decode(const tq_codec* codec, const void* pages, size_t pages_size, size_t first_row,
                          size_t n_rows, float* rows, tq_error* error) {
  return guarded(error, [&]() -> Expected<void> {
    constexpr const char* kName = "tq_codec_decode";
    if (auto ok =
            require(kName, {{"codec", codec}, array("pages", pages, n_rows), array("rows", rows, n_rows)});
        !ok)
      return ok;
    const Rows range{first_row, n_rows};
    if (auto ok = check_rows(kName, *codec->codec, pages_size, range); !ok) return ok;
    decode(*codec->codec, pages, range, rows);
    return {};
  });
}

tq_status tq_codec_score(const tq_codec* codec, const void* pages, size_t pages_size, size_t first_row,
                         size_t n_rows, const float* queries, size_t n_queries, float* scores,
                         tq_error* error) {
  return guarded(error, [&]() -> Expected<void> {
    constexpr const char* kName = "tq_codec_score";
    const std::size_t n_scores = n_rows == 0 ? 0 : n_queries;
    if (auto ok = require(kName, {{"codec", codec},
                                  array("pages", pages, n_rows),
                                  array("queries", queries, n_queries),
                                  array("scores", scores, n_scores)});
        !ok)
      return ok;
    const Rows range{first_row, n_rows};
    if (auto ok = check_rows(kName, *codec->codec, pages_size, range); !ok) return ok;
    score(*codec->codec, pages, range, queries, n_queries, scores);
    return {};
  });
}

tq_status tq_codec_mix(const tq_codec* codec, const void* pages, size_t pages_size, size_t first_row,
                       size_t n_rows, const float* weights, size_t n_queries, float* mixed, tq_error* error) {
  return guarded(error, [&]() -> Expected<void> {
    constexpr const char* kName = "tq_codec_mix";
    const std::size_t n_weights = n_rows == 0 ? 0 : n_queries;
    if (auto ok = require(kName, {{"codec", codec},
                                  array("pages", pages, n_rows),
                                  array("weights", weights, n_weights),
                                  array("mixed", mixed, n_queries)});
        !ok)
      return ok;
    const Rows range{first_row, n_rows};
    if (auto ok = check_rows(kName, *codec->codec, pages_size, range); !ok) return ok;
    mix(*codec->codec, pages, range, weights, n_queries, mixed);
    return {};
  });
}
