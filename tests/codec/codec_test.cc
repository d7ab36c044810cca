// Names, sizes and errors of the codec.
#include "codec/codec.h"

#include "codec_testing.h"

namespace tq {
namespace {

TEST(Codec, NamesRoundTrip) {
  for (const KvType type : kAllKvTypes) {
    Expected<KvType> parsed = parse_kv_type(kv_type_name(type));
    ASSERT_TRUE(parsed);
    EXPECT_EQ(*parsed, type);
  }
}

TEST(Codec, UnknownNameListsTheValidOnes) {
  const Expected<KvType> parsed = parse_kv_type("turbo5");
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().message,
            "Unknown KV cache type \"turbo5\"; use one of: f16, q8_0, q4_0, turbo4, turbo35, turbo3, "
            "turbo25, turbo2, "
            "turbo3q, turbo2q.");
}

TEST(Codec, UnsupportedHeadDimSaysWhatIsSupported) {
  for (const int head_dim : {0, -16, 8, 72, 1040}) {
    const auto codec = KvCodec::create(KvType::kTurbo4, head_dim, Isa::kScalar);
    ASSERT_FALSE(codec) << head_dim;
    EXPECT_EQ(codec.error().code, ErrorCode::kUnsupported);
    EXPECT_NE(codec.error().message.find("multiple of 16"), std::string::npos) << codec.error().message;
  }
  EXPECT_FALSE(KvCodec::create(KvType::kQ8_0, 80, Isa::kScalar));
  EXPECT_FALSE(KvCodec::create(KvType::kQ4_0, 16, Isa::kScalar));
  EXPECT_FALSE(KvCodec::create(KvType::kF16, 7, Isa::kScalar));
  EXPECT_FALSE(KvCodec::create(KvType::kTurbo25, 16, Isa::kScalar));
  EXPECT_FALSE(KvCodec::create(static_cast<KvType>(99), 64, Isa::kScalar));
}

TEST(Codec, PagesHaveTheSpecifiedSize) {
  const struct {
    KvType type;
    int head_dim;
    std::size_t row_bytes;
  } cases[] = {{KvType::kTurbo4, 128, 66},  {KvType::kTurbo3, 128, 50},  {KvType::kTurbo2, 128, 34},
               {KvType::kTurbo4, 64, 34},   {KvType::kTurbo4, 192, 100}, {KvType::kTurbo3, 80, 32},
               {KvType::kF16, 128, 256},    {KvType::kQ8_0, 128, 136},   {KvType::kQ4_0, 128, 72},
               {KvType::kTurbo3Q, 128, 52}, {KvType::kTurbo2Q, 64, 20},  {KvType::kTurbo2Q, 576, 164},
               {KvType::kTurbo25, 128, 44}, {KvType::kTurbo35, 64, 32},  {KvType::kTurbo25, 80, 28}};
  for (const auto& c : cases) {
    const auto codec = make_codec(c.type, c.head_dim, Isa::kScalar);
    EXPECT_EQ(codec->page_bytes(), kPageTokens * c.row_bytes) << kv_type_name(c.type);
    EXPECT_EQ(codec->token_bytes(), c.row_bytes);
    EXPECT_EQ(codec->page_bytes() % 64, 0u);
  }
}

// The head sizes of the models there are, without padding: a row is its codes and two bytes a group.
TEST(Codec, NoTypePadsAnyHeadSize) {
  for (const int dim : {32, 64, 80, 96, 112, 128, 192, 256, 320, 512, 576}) {
    for (const KvType type : kAllKvTypes) {
      if (!is_turbo(type)) continue;
      std::size_t bytes = 0;
      for (const PartLayout& part : parts_of(type, dim))
        bytes += static_cast<std::size_t>(part.n * part.bits / 8 + 2 * part.groups());
      EXPECT_EQ(make_codec(type, dim, Isa::kScalar)->token_bytes(), bytes) << kv_type_name(type) << dim;
    }
  }
}

}  // namespace
}  // namespace tq
