// POST /v1/embeddings
#include <bit>
#include <limits>

#include "server/api/embedding.h"
#include "server/api/error.h"
#include "server/openai/endpoints.h"

namespace tq::server::openai {
namespace {

// The numbers as little-endian binary32, which is what the official client asks for.
std::string base64(const std::vector<float>& vector) {
  static_assert(std::endian::native == std::endian::little && std::numeric_limits<float>::is_iec559);
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const auto bytes = std::as_bytes(std::span(vector));
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t n = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      group = (group << 8) | (j < n ? std::to_integer<std::uint32_t>(bytes[i + j]) : 0);
    }
    for (std::size_t j = 0; j < 4; ++j) text += j <= n ? kDigits[(group >> (18 - 6 * j)) & 63U] : '=';
  }
  return text;
}

}  // namespace

http::Response embeddings(const ServedModel& model, const http::Request& request) {
  const Json body = parse_object(request.body);
  const Fields fields(body);
  const Json* const input = fields.find("input");
  if (input == nullptr) refuse("'input' is missing.", "input");
  if (input->is_array() && input->empty()) refuse("'input' is empty; give a text.", "input");
  const std::string format = fields.string("encoding_format").value_or("float");
  if (format != "float" && format != "base64") fields.refuse_type("encoding_format", "float or base64");
  EmbeddingOptions options;
  if (const auto n = fields.integer("dimensions", 1, std::numeric_limits<int>::max()))
    options.dimensions = static_cast<int>(*n);
  const Embeddings embeddings = embed_inputs(read_inputs(*input, model, "input"), options, model,
                                             [&] { return request.peer->is_connected(); });
  Json data = Json::array();
  for (const std::vector<float>& vector : embeddings.vectors) {
    data.push_back({{"object", "embedding"},
                    {"index", data.size()},
                    {"embedding", format == "float" ? Json(vector) : Json(base64(vector))}});
  }
  return {.body = dump(
              {{"object", "list"},
               {"data", std::move(data)},
               {"model", model.name},
               {"usage", {{"prompt_tokens", embeddings.n_tokens}, {"total_tokens", embeddings.n_tokens}}}})};
}

}  // namespace tq::server::openai
