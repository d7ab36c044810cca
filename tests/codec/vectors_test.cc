// The golden vectors of spec/vectors, made by the specification's Python twin: bytes and floats, on every
// ISA.
#include <cstring>
#include <fstream>
#include <iterator>

#include "codec_testing.h"

namespace tq {
namespace {

struct Case {
  std::string type, input, encoded, decoded;
  int head_dim = 0, rows = 0, slot_step = 0, code_bytes = 0, scales = 0;
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
    c.code_bytes = std::stoi(field(object, "code_bytes"));
    c.scales = std::stoi(field(object, "scales"));
    c.page_bytes = std::stoul(field(object, "page_bytes"));
    cases.push_back(c);
  }
  return cases;
}

// The page that holds the encoded rows in their slots and 0xee elsewhere.
AlignedBytes expected_page(const Case& c) {
  AlignedBytes page(c.page_bytes);
  const std::string rows = read_file(c.encoded);
  const std::size_t code_bytes = static_cast<std::size_t>(c.code_bytes);
  const std::size_t scale_bytes = static_cast<std::size_t>(c.scales) * 2;
  EXPECT_EQ(rows.size(), (code_bytes + scale_bytes) * static_cast<std::size_t>(c.rows));
  for (int i = 0; i < c.rows; ++i) {
    const std::size_t slot = static_cast<std::size_t>(i * c.slot_step % kPageTokens);
    const char* row = rows.data() + static_cast<std::size_t>(i) * (code_bytes + scale_bytes);
    std::memcpy(page.data() + slot * code_bytes, row, code_bytes);
    std::memcpy(page.data() + kPageTokens * code_bytes + slot * scale_bytes, row + code_bytes, scale_bytes);
  }
  return page;
}

TEST(Vectors, EveryIsaWritesAndReadsTheGoldenBytes) {
  const std::vector<Case> cases = manifest();
  ASSERT_EQ(cases.size(), 24u);
  for (const Isa isa : supported_isas()) {
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

}  // namespace
}  // namespace tq
