// The golden vectors of spec/vectors, made by the specification's Python twin: bytes and floats, on every
// ISA.
#include <cstring>
#include <fstream>
#include <iterator>

#include "codec_testing.h"

namespace tq {
namespace {

struct Case {
  std::string type, input, rotated, encoded, decoded;
  int head_dim = 0, rows = 0, slot_step = 0;
  struct {
    std::size_t code_bytes, scale_bytes;
  } parts[2] = {};  // of a row; the second may be empty
  std::size_t page_bytes = 0;
};

std::string read_file(const std::string& name) {
  std::ifstream file(std::string(TQ_SOURCE_DIR) + "/spec/vectors/" + name, std::ios::binary);
  EXPECT_TRUE(file) << name;
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<float> read_floats(const std::string& name) {
  const std::string bytes = read_file(name);
  std::vector<float> floats(bytes.size() / sizeof(float));
  std::memcpy(floats.data(), bytes.data(), bytes.size());
  return floats;
}

// The manifest is ours and flat: "key": value lines. A JSON library would be this test's only dependency.
std::string field(const std::string& object, const std::string& key) {
  const std::size_t at = object.find("\"" + key + "\": ");
  EXPECT_NE(at, std::string::npos) << key;
  std::string value =
      object.substr(at + key.size() + 4, object.find_first_of(",\n", at) - at - key.size() - 4);
  if (value.front() == '"') value = value.substr(1, value.size() - 2);
  return value;
}

std::vector<Case> manifest() {
  const std::string text = read_file("manifest.json");
  std::vector<Case> cases;
  for (std::size_t at = text.find('{'); at != std::string::npos; at = text.find('{', at + 1)) {
    const std::string object = text.substr(at, text.find('}', at) - at);
    Case c;
    c.type = field(object, "type");
    c.input = field(object, "input");
    c.encoded = field(object, "encoded");
    c.decoded = field(object, "decoded");
    c.head_dim = std::stoi(field(object, "head_dim"));
    c.rows = std::stoi(field(object, "rows"));
    c.slot_step = std::stoi(field(object, "slot_step"));
    c.rotated = field(object, "rotated");
    c.parts[0] = {std::stoul(field(object, "code_bytes")), 2 * std::stoul(field(object, "scales"))};
    c.parts[1] = {std::stoul(field(object, "code_bytes_2")), 2 * std::stoul(field(object, "scales_2"))};
    c.page_bytes = std::stoul(field(object, "page_bytes"));
    cases.push_back(c);
  }
  return cases;
}

// The page that holds the encoded rows in their slots and 0xee elsewhere.
AlignedBytes expected_page(const Case& c) {
  AlignedBytes page(c.page_bytes);
  const std::string rows = read_file(c.encoded);
  const char* from = rows.data();
  for (int i = 0; i < c.rows; ++i) {
    const std::size_t slot = static_cast<std::size_t>(i * c.slot_step % kPageTokens);
    std::byte* part_of_page = page.data();
    for (const auto& [code_bytes, scale_bytes] : c.parts) {
      std::memcpy(part_of_page + slot * code_bytes, from, code_bytes);
      std::memcpy(part_of_page + kPageTokens * code_bytes + slot * scale_bytes, from + code_bytes,
                  scale_bytes);
      from += code_bytes + scale_bytes;
      part_of_page += kPageTokens * (code_bytes + scale_bytes);
    }
  }
  EXPECT_EQ(rows.data() + rows.size(), from);
  return page;
}

TEST(Vectors, EveryIsaWritesAndReadsTheGoldenBytes) {
  const std::vector<Case> cases = manifest();
  ASSERT_EQ(cases.size(), 116u);
  for (const Isa isa : codec_isas()) {
    for (const Case& c : cases) {
      SCOPED_TRACE(c.encoded + " " + std::string(isa_name(isa)));
      const auto codec = make_codec(*parse_kv_type(c.type), c.head_dim, isa);
      ASSERT_EQ(codec->page_bytes(), c.page_bytes);
      const std::vector<float> input = read_floats(c.input);
      const std::vector<float> decoded = read_floats(c.decoded);
      AlignedBytes expected = expected_page(c);
      AlignedBytes page(c.page_bytes);
      const std::size_t dim = static_cast<std::size_t>(c.head_dim);
      for (int i = 0; i < c.rows; ++i) {
        codec->encode(input.data() + static_cast<std::size_t>(i) * dim, page.data(),
                      i * c.slot_step % kPageTokens);
      }
      EXPECT_TRUE(same_pages(page, expected));
      for (int i = 0; i < c.rows; ++i) {
        const int slot = i * c.slot_step % kPageTokens;
        std::vector<float> row(dim);
        codec->decode(expected.data(), slot, slot + 1, row.data());
        const auto* wanted = decoded.data() + static_cast<std::size_t>(i) * dim;
        EXPECT_TRUE(same_floats(row, std::vector<float>(wanted, wanted + dim))) << "row " << i;
      }
    }
  }
}

TEST(Vectors, EveryIsaRotatesToTheGoldenFloats) {
  for (const Isa isa : codec_isas()) {
    for (const Case& c : manifest()) {
      if (c.rotated.empty()) continue;
      const auto codec = make_codec(*parse_kv_type(c.type), c.head_dim, isa);
      const std::vector<float> expected = read_floats(c.rotated);
      std::vector<float> x = read_floats(c.input);
      ASSERT_FALSE(expected.empty());
      x.resize(expected.size());
      for (std::size_t at = 0; at < x.size(); at += static_cast<std::size_t>(c.head_dim))
        codec->rotate(x.data() + at);
      EXPECT_TRUE(same_floats(x, expected)) << c.encoded << " " << isa_name(isa);
    }
  }
}

}  // namespace
}  // namespace tq
