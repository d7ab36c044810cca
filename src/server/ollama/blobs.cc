// HEAD and POST /api/blobs/sha256:...: files of models on their way into the server's own store
#include "server/ollama/endpoints.h"
#include "server/ollama/store_access.h"

namespace tq::server::ollama {
namespace {

std::string digest_in(const http::Request& request) {
  auto digest = parse_digest(request.captures.front());
  if (!digest) throw ApiError{.message = "invalid digest: it has to be sha256: and 64 digits in lower case"};
  return *std::move(digest);
}

}  // namespace

http::Response has_blob(ModelPool& pool, const http::Request& request) {
  const std::string digest = digest_in(request);
  if (!pool.catalog().blob(digest)) throw ApiError{.status = 404, .message = "there is no such blob"};
  return {.content_type = "text/plain"};
}

http::Response take_blob(ModelPool& pool, const http::Request& request) {
  const std::string digest = digest_in(request);
  const Store& store = own_store(pool);
  if (store.blob(digest)) return {.status = 200, .content_type = "text/plain"};
  BlobWriter writer = value_or_throw(store.new_blob(digest));
  bool has_failed = false;
  const bool is_whole = request.read_body([&](std::string_view bytes) {
    has_failed = !writer.write(std::as_bytes(std::span(bytes)));
    return !has_failed;
  });
  if (!is_whole && !has_failed) throw ApiError{.message = "the blob broke off; send it again."};
  if (const auto ok = writer.commit(); !ok) throw to_api_error(ok.error());
  return {.status = 201, .content_type = "text/plain"};
}

}  // namespace tq::server::ollama
