#include "server/models/model_facts.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <limits>
#include <map>

#include "gguf/gguf.h"
#include "model/model.h"
#include "server/api/json.h"
#include "tokenizer/vocab.h"

namespace tq::server {
namespace {

constexpr std::size_t kMaxListed = 16;  // entries of lists in metadata_json

struct FileType {
  std::int64_t id;
  const char* name;
};
// general.file_type, as llama.h numbers them.
constexpr std::array<FileType, 32> kFileTypes = {
    {{0, "F32"},     {1, "F16"},       {2, "Q4_0"},     {3, "Q4_1"},    {7, "Q8_0"},     {8, "Q5_0"},
     {9, "Q5_1"},    {10, "Q2_K"},     {11, "Q3_K_S"},  {12, "Q3_K_M"}, {13, "Q3_K_L"},  {14, "Q4_K_S"},
     {15, "Q4_K_M"}, {16, "Q5_K_S"},   {17, "Q5_K_M"},  {18, "Q6_K"},   {19, "IQ2_XXS"}, {20, "IQ2_XS"},
     {21, "Q2_K_S"}, {22, "IQ3_XS"},   {23, "IQ3_XXS"}, {24, "IQ1_S"},  {25, "IQ4_NL"},  {26, "IQ3_S"},
     {27, "IQ3_M"},  {28, "IQ2_S"},    {29, "IQ2_M"},   {30, "IQ4_XS"}, {31, "IQ1_M"},   {32, "BF16"},
     {36, "TQ1_0"},  {38, "MXFP4_MOE"}}};

// By the file's word, or the type that most of its weights have.
std::string quantization_of(const GgufFile& file) {
  const auto id = file.get_int("general.file_type", 0, 1000);
  const auto* const known = std::ranges::find(kFileTypes, id ? *id : std::int64_t{-1},
                                              [](const FileType& type) { return type.id; });
  if (known != kFileTypes.end()) return known->name;
  std::map<std::string_view, std::int64_t> counts;
  for (const TensorView& tensor : file.tensors()) {
    if (const auto traits = ggml_type_traits(tensor.type)) counts[traits->name] += tensor.element_count();
  }
  const auto most = std::ranges::max_element(counts, {}, [](const auto& entry) { return entry.second; });
  if (most == counts.end()) return "unknown";
  std::string name(most->first);
  std::ranges::transform(name, name.begin(),
                         [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  return name;
}

Json list_json(const GgufArray& array, std::size_t max_entries) {
  return std::visit(
      [max_entries](const auto& list) {
        if (list.size() > max_entries) return Json();
        Json json = Json::array();
        for (const auto& value : list) json.push_back(value);
        return json;
      },
      array);
}

std::string metadata_json(const GgufFile& file, std::size_t max_entries) {
  Json json = Json::object();
  for (const auto& [key, value] : file.metadata()) {
    if (key == "tokenizer.chat_template") continue;  // shown by itself
    const auto* const array = std::get_if<GgufArray>(&value);
    json[std::string(key)] = array != nullptr ? list_json(*array, max_entries)
                                              : std::visit(
                                                    [](const auto& single) {
                                                      using T = std::decay_t<decltype(single)>;
                                                      if constexpr (std::is_same_v<T, GgufArray>) {
                                                        return Json();
                                                      } else {
                                                        return Json(single);
                                                      }
                                                    },
                                                    value);
  }
  return dump(json);
}

}  // namespace

Expected<ModelFacts> read_model_facts(const std::string& path) {
  const auto file = GgufFile::open(path);
  if (!file) return file.error();
  const auto parts = file->get_int_or("split.count", 0, 1 << 20, 1);
  if (!parts) return parts.error();
  if (*parts > 1) {
    return Error{ErrorCode::kUnsupported, path + " is one of " + std::to_string(*parts) +
                                              " parts of a model; merge them (llama-gguf-split --merge)."};
  }
  const auto model = Model::open(*file);
  if (!model) return model.error();
  const ModelConfig& config = (*model)->config();
  ModelFacts facts{.architecture = config.architecture,
                   .quantization = quantization_of(*file),
                   .n_ctx_train = config.n_ctx_train,
                   .n_embd = config.n_embd,
                   .n_vocab = config.n_vocab,
                   .metadata_json = metadata_json(*file, kMaxListed)};
  for (const TensorView& tensor : file->tensors()) facts.n_params += tensor.element_count();
  if (const auto text = file->get_string_or("tokenizer.chat_template", ""); text) facts.chat_template = *text;
  return facts;
}

Expected<std::string> whole_metadata(const std::string& path) {
  const auto file = GgufFile::open(path);
  if (!file) return file.error();
  return metadata_json(*file, std::numeric_limits<std::size_t>::max());
}

bool fills_gaps(const std::string& path) {
  const auto file = GgufFile::open(path);
  if (!file) return false;
  const auto vocab = Vocab::load(*file);
  return vocab && vocab->fill.are_there();
}

std::string parameter_size(std::int64_t n_params) {
  constexpr std::array<std::pair<double, const char*>, 3> kUnits = {{{1e9, "B"}, {1e6, "M"}, {1e3, "K"}}};
  const auto n = static_cast<double>(n_params);
  for (const auto& [size, unit] : kUnits) {
    if (n < size) continue;
    std::array<char, 32> text = {};
    std::snprintf(text.data(), text.size(), "%.1f%s", n / size, unit);
    return text.data();
  }
  return std::to_string(n_params);
}

}  // namespace tq::server
