// POST /embedding and /embeddings: llama-server's own form, a list of vectors for each text.
#include "server/api/embedding.h"

#include "server/api/error.h"
#include "server/llama/endpoints.h"

namespace tq::server::llama {

http::Response embedding(const ServedModel& model, const http::Request& request) {
  const Json body = parse_object(request.body);
  const Fields fields(body);
  const char* const name = fields.find("input") != nullptr ? "input" : "content";
  const Json* const input = fields.find(name);
  if (input == nullptr) refuse("'content' is missing.", "content");
  if (fields.integer("embd_normalize", -1).value_or(2) != 2)
    refuse("'embd_normalize': embeddings have the length 1, which is 2.", "embd_normalize");
  const Embeddings embeddings =
      embed_inputs(read_inputs(*input, model, name), {}, model, [&] { return request.peer->is_connected(); });
  Json list = Json::array();
  for (const std::vector<float>& vector : embeddings.vectors) {
    list.push_back({{"index", list.size()}, {"embedding", Json::array({vector})}});
  }
  return {.body = dump(list)};
}

}  // namespace tq::server::llama
