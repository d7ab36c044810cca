// Names of the KV types, the sizes of their rows, and the choice of kernels.
#include "codec/codec.h"

#include <string>

#include "codec/kernels.h"
#include "codec/turbo/layout.h"

namespace tq {
namespace {

static_assert(kRowsPerPage == kPageTokens && turbo::kPageRows == kPageTokens);

struct TypeInfo {
  KvType type;
  std::string_view name;
  int bits;     // of one code
  int granule;  // head_dim must be a multiple of it
  int group;    // values under one scale; 0: no scale
};

constexpr std::array<TypeInfo, kAllKvTypes.size()> kTypes = {{
    {KvType::kF16, "f16", 16, 2, 0},
    {KvType::kQ8_0, "q8_0", 8, 32, 32},
    {KvType::kQ4_0, "q4_0", 4, 32, 32},
    {KvType::kTurbo4, "turbo4", 4, turbo::kGranule, turbo::kGroup},
    {KvType::kTurbo3, "turbo3", 3, turbo::kGranule, turbo::kGroup},
    {KvType::kTurbo2, "turbo2", 2, turbo::kGranule, turbo::kGroup},
}};

const TypeInfo* find_type(KvType type) {
  for (const TypeInfo& info : kTypes) {
    if (info.type == type) return &info;
  }
  return nullptr;
}

const CodecKernels* find_kernels(KvType type, Isa isa) {
  switch (isa) {
#if defined(__x86_64__)
    case Isa::kAvx2:
      return codec_kernels_avx2(type);
    case Isa::kAvx512:
      return codec_kernels_avx512(type);
#elif defined(__aarch64__)
    case Isa::kNeon:
      return codec_kernels_neon(type);
#endif
    default:
      return codec_kernels_scalar(type);
  }
}

RowShape shape_of(const TypeInfo& info, int head_dim) {
  const int scales = info.group == 0 ? 0 : (head_dim + info.group - 1) / info.group;
  return {.head_dim = head_dim, .code_bytes = head_dim * info.bits / 8, .scales = scales};
}

std::uint8_t* bytes(std::byte* p) { return reinterpret_cast<std::uint8_t*>(p); }
const std::uint8_t* bytes(const std::byte* p) { return reinterpret_cast<const std::uint8_t*>(p); }

// Every type is a row shape and a table of kernels; the choice between them is made once, in create().
class TableCodec final : public KvCodec {
 public:
  TableCodec(KvType type, const RowShape& shape, const CodecKernels& kernels)
      : KvCodec(type, shape.head_dim, tq::page_bytes(shape)), shape_(shape), kernels_(kernels) {}

  void rotate(float* x) const override {
    if (kernels_.rotate != nullptr) kernels_.rotate(shape_, x);
  }
  void unrotate(float* x) const override {
    if (kernels_.unrotate != nullptr) kernels_.unrotate(shape_, x);
  }
  void encode(const float* x, std::byte* page, int slot) const override {
    kernels_.encode(shape_, x, bytes(page), slot);
  }
  void decode(const std::byte* page, int begin, int end, float* out) const override {
    kernels_.decode(shape_, bytes(page), begin, end, out);
  }
  std::size_t query_bytes(int n_queries) const override { return kernels_.query_bytes(shape_, n_queries); }
  void prepare_queries(const float* q, int n_queries, std::byte* prepared) const override {
    kernels_.prepare(shape_, q, n_queries, bytes(prepared));
  }
  void score(const std::byte* page, int begin, int end, const std::byte* prepared, int n_queries,
             float* scores) const override {
    kernels_.score(shape_, bytes(page), begin, end, bytes(prepared), n_queries, scores);
  }
  void mix(const std::byte* page, int begin, int end, const float* weights, int n_queries,
           float* acc) const override {
    kernels_.mix(shape_, bytes(page), begin, end, weights, n_queries, acc);
  }

 private:
  const RowShape shape_;
  const CodecKernels& kernels_;
};

}  // namespace

std::string_view kv_type_name(KvType type) {
  const TypeInfo* info = find_type(type);
  return info != nullptr ? info->name : "?";
}

Expected<KvType> parse_kv_type(std::string_view name) {
  std::string names;
  for (const TypeInfo& info : kTypes) {
    if (info.name == name) return info.type;
    names += (names.empty() ? "" : ", ") + std::string(info.name);
  }
  return Error{ErrorCode::kBadArgument,
               "Unknown KV cache type \"" + std::string(name) + "\"; use one of: " + names + "."};
}

Expected<std::unique_ptr<KvCodec>> KvCodec::create(KvType type, int head_dim, Isa isa) {
  const TypeInfo* info = find_type(type);
  if (info == nullptr) {
    return Error{ErrorCode::kBadArgument,
                 "Unknown KV cache type id " + std::to_string(static_cast<int>(type)) + "."};
  }
  if (head_dim < info->granule || head_dim > turbo::kMaxHeadDim || head_dim % info->granule != 0) {
    return Error{ErrorCode::kUnsupported,
                 "KV cache type " + std::string(info->name) + " needs a head size that is a multiple of " +
                     std::to_string(info->granule) + " and at most " + std::to_string(turbo::kMaxHeadDim) +
                     ", this model has " + std::to_string(head_dim) + "; use f16."};
  }
  const CodecKernels* kernels = find_kernels(type, isa);
  if (kernels == nullptr) {
    return Error{ErrorCode::kUnsupported, "No " + std::string(info->name) + " kernels for " +
                                              std::string(isa_name(isa)) + " in this build."};
  }
  return std::unique_ptr<KvCodec>(new TableCodec(type, shape_of(*info, head_dim), *kernels));
}

}  // namespace tq
