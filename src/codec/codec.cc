// Names of the KV types, the sizes of their rows, and the choice of kernels.
#include "codec/codec.h"

#include <string>

#include "codec/kernels.h"
#include "codec/turbo/layout.h"
#include "codec/two_parts.h"

namespace tq {
namespace {

static_assert(kRowsPerPage == kPageTokens && turbo::kPageRows == kPageTokens);

// How the bytes of a format grow with the head.
struct FormatInfo {
  int bits;   // of one code
  int group;  // values under one scale; 0: no scale
};

constexpr FormatInfo info_of(RowFormat format) {
  switch (format) {
    case RowFormat::kQ8_0:
      return {8, 32};
    case RowFormat::kQ4_0:
      return {4, 32};
    case RowFormat::kTurbo4:
      return {4, turbo::kGroup};
    case RowFormat::kTurbo3:
      return {3, turbo::kGroup};
    case RowFormat::kTurbo2:
    case RowFormat::kCoarse2:
      return {2, turbo::kGroup};
    case RowFormat::kCoarse1:
    case RowFormat::kSigns:
      return {1, turbo::kGroup};
    case RowFormat::kF16:
      break;
  }
  return {16, 0};
}

enum class Layout {
  kOne,       // the first format alone
  kResidual,  // the first, and the second for what it leaves
  kMixed,     // the first for the regular channels, the second for the outliers
};

struct TypeInfo {
  KvType type;
  std::string_view name;
  int granule;  // head_dim must be a multiple of it
  Layout layout;
  RowFormat first;
  RowFormat second;  // not of kOne
};

constexpr TypeInfo one(KvType type, std::string_view name, int granule, RowFormat format) {
  return {type, name, granule, Layout::kOne, format, format};
}

constexpr std::array<TypeInfo, kAllKvTypes.size()> kTypes = {{
    one(KvType::kF16, "f16", 2, RowFormat::kF16),
    one(KvType::kQ8_0, "q8_0", 32, RowFormat::kQ8_0),
    one(KvType::kQ4_0, "q4_0", 32, RowFormat::kQ4_0),
    one(KvType::kTurbo4, "turbo4", turbo::kGranule, RowFormat::kTurbo4),
    {KvType::kTurbo35, "turbo35", turbo::kGranule, Layout::kMixed, RowFormat::kTurbo3, RowFormat::kTurbo4},
    one(KvType::kTurbo3, "turbo3", turbo::kGranule, RowFormat::kTurbo3),
    {KvType::kTurbo25, "turbo25", turbo::kGranule, Layout::kMixed, RowFormat::kTurbo2, RowFormat::kTurbo3},
    one(KvType::kTurbo2, "turbo2", turbo::kGranule, RowFormat::kTurbo2),
    {KvType::kTurbo3Q, "turbo3q", turbo::kGranule, Layout::kResidual, RowFormat::kCoarse2, RowFormat::kSigns},
    {KvType::kTurbo2Q, "turbo2q", turbo::kGranule, Layout::kResidual, RowFormat::kCoarse1, RowFormat::kSigns},
}};

const TypeInfo* find_type(KvType type) {
  for (const TypeInfo& info : kTypes) {
    if (info.type == type) return &info;
  }
  return nullptr;
}

// The smallest head: both parts of a mixed row need a value.
int least_head_dim(const TypeInfo& info) { return info.layout == Layout::kMixed ? 32 : info.granule; }

const CodecKernels* find_kernels(RowFormat format, Isa isa) {
  switch (isa) {
    case Isa::kScalar:
      return &codec_kernels_scalar(format);
#if defined(__x86_64__)
    case Isa::kAvx2:
    case Isa::kAvxVnni:
      return &codec_kernels_avx2(format);
    case Isa::kAvx512:
      return &codec_kernels_avx512(format);
#elif defined(__aarch64__)
    case Isa::kNeon:
      return &codec_kernels_neon(format);
    case Isa::kDotprod:
      return &codec_kernels_dotprod(format);
#endif
    default:
      return nullptr;
  }
}

RowShape shape_of(RowFormat format, int head_dim) {
  const FormatInfo info = info_of(format);
  RowShape shape{};
  shape.head_dim = head_dim;
  shape.code_bytes = head_dim * info.bits / 8;
  shape.scales = info.group == 0 ? 0 : (head_dim + info.group - 1) / info.group;
  shape.page_bytes = own_page_bytes(shape);
  return shape;
}

// A type of one part is a row shape and a table of kernels.
class TableCodec final : public KvCodec {
 public:
  TableCodec(KvType type, const RowShape& shape, const CodecKernels& kernels)
      : KvCodec(type, shape.head_dim, shape.page_bytes), shape_(shape), kernels_(kernels) {}

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

std::unique_ptr<KvCodec> make_codec(const TypeInfo& info, int head_dim, const CodecKernels& first,
                                    const CodecKernels& second) {
  if (info.layout == Layout::kResidual) {
    return make_residual_codec(info.type, {shape_of(info.first, head_dim), &first},
                               {shape_of(info.second, head_dim), &second});
  }
  if (info.layout == Layout::kMixed) {
    const int outliers = turbo::outlier_count(head_dim);
    return make_mixed_codec(info.type, {shape_of(info.first, head_dim - outliers), &first},
                            {shape_of(info.second, outliers), &second});
  }
  return std::make_unique<TableCodec>(info.type, shape_of(info.first, head_dim), first);
}

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
  const int least = least_head_dim(*info);
  if (head_dim < least || head_dim > turbo::kMaxHeadDim || head_dim % info->granule != 0) {
    return Error{ErrorCode::kUnsupported,
                 "KV cache type " + std::string(info->name) + " needs a head size that is a multiple of " +
                     std::to_string(info->granule) + " from " + std::to_string(least) + " to " +
                     std::to_string(turbo::kMaxHeadDim) + ", this model has " + std::to_string(head_dim) +
                     "; use f16."};
  }
  const CodecKernels* first = find_kernels(info->first, isa);
  const CodecKernels* second = find_kernels(info->second, isa);
  if (first == nullptr || second == nullptr) {
    return Error{ErrorCode::kUnsupported, "No " + std::string(info->name) + " kernels for " +
                                              std::string(isa_name(isa)) + " in this build."};
  }
  return make_codec(*info, head_dim, *first, *second);
}

}  // namespace tq
