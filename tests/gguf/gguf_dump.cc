// What the reader makes of a file, for test_gguf_oracle.py.
//
//   gguf_dump FILE                  version, metadata and tensor infos as JSON; strings as hexadecimal bytes
//   gguf_dump FILE data NAME...     the bytes of the named tensors, one after the other
//   gguf_dump FILE values NAME...   their dequantised values, float32
#include <cstdio>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/dequantize.h"
#include "gguf/gguf.h"

namespace {

using nlohmann::json;

std::string hex(std::string_view bytes) {
  std::string text;
  char digits[3];
  for (const char c : bytes) {
    std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
    text += digits;
  }
  return text;
}

json to_json(std::int64_t value) { return {"int", value}; }
json to_json(double value) { return {"float", value}; }
json to_json(bool value) { return {"bool", value}; }
json to_json(std::string_view value) { return {"string", hex(value)}; }
json to_json(const tq::GgufArray& array) {
  json elements = json::array();
  std::visit(
      [&elements](const auto& values) {
        for (std::size_t i = 0; i < values.size(); ++i) elements.push_back(to_json(values[i])[1]);
      },
      array);
  constexpr const char* kKinds[] = {"ints", "floats", "bools", "strings"};
  return {kKinds[array.index()], elements};
}

void print_infos(const tq::GgufFile& file) {
  json metadata = json::array(), tensors = json::array();
  for (const auto& [key, value] : file.metadata()) {
    metadata.push_back({key, std::visit([](const auto& v) { return to_json(v); }, value)});
  }
  for (const tq::TensorView& t : file.tensors()) {
    const std::vector<std::int64_t> shape(t.shape.begin(), t.shape.begin() + t.n_dims);
    tensors.push_back({{"name", t.name},
                       {"type", tq::ggml_type_traits(t.type)->name},
                       {"shape", shape},
                       {"elements", t.element_count()},
                       {"bytes", t.data.size()}});
  }
  const json all = {{"version", file.version()}, {"metadata", metadata}, {"tensors", tensors}};
  std::puts(all.dump().c_str());
}

void print_values(const tq::TensorView& tensor) {
  const auto n_rows = tensor.element_count() / tensor.shape[0];
  const std::size_t row_bytes = tensor.data.size() / static_cast<std::size_t>(n_rows);
  std::vector<float> row(static_cast<std::size_t>(tensor.shape[0]));
  for (std::int64_t r = 0; r < n_rows; ++r) {
    tq::dequantize_row(tensor.type, tensor.data.data() + static_cast<std::size_t>(r) * row_bytes,
                       tensor.shape[0], row.data());
    std::fwrite(row.data(), sizeof(float), row.size(), stdout);
  }
}

int fail(const std::string& message) {
  std::fprintf(stderr, "%s\n", message.c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return fail("gguf_dump FILE [data|values NAME...]");
  const auto file = tq::GgufFile::open(argv[1]);
  if (!file) return fail(file.error().message);
  if (argc == 2) print_infos(*file);
  for (int i = 3; i < argc; ++i) {
    const tq::TensorView* tensor = file->find_tensor(argv[i]);
    if (tensor == nullptr) return fail(std::string("no tensor ") + argv[i]);
    if (std::string_view(argv[2]) == "data") {
      std::fwrite(tensor->data.data(), 1, tensor->data.size(), stdout);
    } else if (tq::can_dequantize(tensor->type)) {
      print_values(*tensor);
    } else {
      return fail(std::string("can't dequantise ") + argv[i]);
    }
  }
  return 0;
}
