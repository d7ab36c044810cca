// Manifests of models, and the names and digests that become paths: what is accepted is safe, and stays the
// same when it is written and read again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "server/models/manifest.h"
#include "server/models/model_name.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void require_safe(std::string_view part) {
  require(!part.empty() && part.front() != '.' && part.find('/') == std::string_view::npos &&
          part.find('\0') == std::string_view::npos);
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tq::server;
  const std::string_view text(reinterpret_cast<const char*>(data), size);

  if (const auto name = ModelName::parse(text)) {
    for (const std::string_view part : {std::string_view(name->host), std::string_view(name->user),
                                        std::string_view(name->name), std::string_view(name->tag)}) {
      require_safe(part);
    }
    require(ModelName::parse(name->text()) == name);
    require(ModelName::parse(name->tagged_text()) == name);
  }
  require_safe(plain_name_of(text));
  if (const auto digest = parse_digest(text)) require_safe(*digest);

  const auto manifest = Manifest::parse(text, "x");
  if (!manifest) return 0;
  for (const Layer& layer : manifest->layers) require(parse_digest("sha256:" + layer.digest).has_value());
  const auto again = Manifest::parse(manifest->json(), "x");
  require(static_cast<bool>(again) && again->json() == manifest->json());
  return 0;
}
