// GET /api/version and /api/ps; what there is no answer to: /api/pull and /api/push
#include "server/ollama/endpoints.h"
#include "server/ollama/format.h"

namespace tq::server::ollama {

bool streams_body(const http::Request& request) {
  return request.method == "POST" && request.path.starts_with("/api/blobs/");
}

http::Response version(ModelPool& /*pool*/, const http::Request& /*request*/) {
  return {.body = dump({{"version", kVersion}})};
}

http::Response list_loaded(ModelPool& pool, const http::Request& /*request*/) {
  Json models = Json::array();
  for (const LoadedModel& loaded : pool.loaded()) {
    const auto facts = pool.catalog().facts(loaded.model.path);
    const std::string name = loaded.model.name.tagged_text();
    // Ollama writes a date far away for what stays.
    constexpr std::chrono::hours kForever{24 * 365 * 100};
    const auto expires = std::chrono::system_clock::now() + loaded.expires_in.value_or(kForever);
    models.push_back({{"name", name},
                      {"model", name},
                      {"size", loaded.bytes},
                      {"digest", loaded.model.digest},
                      {"details", facts ? details_json(*facts) : Json::object()},
                      {"expires_at", iso_time(expires)},
                      {"size_vram", 0},
                      {"context_length", loaded.n_ctx}});
  }
  return {.body = dump({{"models", std::move(models)}})};
}

http::Response refuse_pull(ModelPool& /*pool*/, const http::Request& /*request*/) {
  throw ApiError{.status = 501,
                 .message =
                     "this server downloads nothing: put a GGUF file into its folder of models "
                     "(--model-dir), or pull the model with Ollama, whose store is read in place."};
}

http::Response refuse_push(ModelPool& /*pool*/, const http::Request& /*request*/) {
  throw ApiError{.status = 501, .message = "this server uploads nothing."};
}

}  // namespace tq::server::ollama
