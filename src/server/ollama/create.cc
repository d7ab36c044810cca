// POST /api/create, /api/copy and DELETE /api/delete: models of the server's own store
#include <filesystem>

#include "server/api/chat_messages.h"
#include "server/ollama/endpoints.h"
#include "server/ollama/format.h"
#include "server/ollama/options.h"
#include "server/ollama/store_access.h"

namespace tq::server::ollama {
namespace {

void refuse_what_cannot_be_made(const Fields& fields) {
  if (fields.find("modelfile") != nullptr || fields.find("path") != nullptr)
    refuse("'modelfile' is of older versions; send 'from' or 'files', 'system' and 'parameters'.",
           "modelfile");
  if (const Json* const adapters = fields.find("adapters"); adapters != nullptr && !adapters->empty())
    refuse("'adapters': adapters (LoRA) are not applied here; merge them into the model.", "adapters");
  if (const auto type = fields.string("quantize"); type && !type->empty())
    refuse("'quantize': models are not quantised here; do that with llama-quantize.", "quantize");
}

// The one GGUF file of "files", which came as a blob.
Manifest manifest_of_file(const ModelPool& pool, const Json& files) {
  if (files.size() != 1 || !files.begin()->is_string())
    refuse("'files' has to be one GGUF file: {\"NAME.gguf\": \"sha256:...\"}.", "files");
  const auto digest = parse_digest(files.begin()->get_ref<const std::string&>());
  if (!digest) refuse("'files' has an invalid digest.", "files");
  const auto path = pool.catalog().blob(*digest);
  if (!path) refuse("the blob sha256:" + *digest + " is not there; send it first (/api/blobs).", "files");
  const auto facts = pool.catalog().facts(*path);
  if (!facts) refuse(facts.error().message, "files");
  return new_manifest(pool, {media::kModel, *digest, std::filesystem::file_size(*path)}, *facts);
}

class Layers {
 public:
  Layers(const Store& store, Manifest& manifest) : store_(store), manifest_(manifest) {}

  // In place of one of its kind; an empty text takes it away.
  void set(const char* media_type, const std::string& text) {
    std::erase_if(manifest_.layers, [&](const Layer& layer) { return layer.media_type == media_type; });
    if (!text.empty()) manifest_.layers.push_back(value_or_throw(store_.add_blob(media_type, text)));
  }

 private:
  const Store& store_;
  Manifest& manifest_;
};

// Those of the model that it is made from, and over them its own.
std::string merged_params(const std::string& inherited, const Json& own) {
  Json params = inherited.empty() ? Json::object() : parse_object(inherited);
  for (const auto& [key, value] : own.items()) params[key] = value;
  return dump(params);
}

void check_params(const Json& params) {
  const Fields fields(params, "parameters.");
  (void)read_stops(fields);
  (void)fields.integer("num_predict", -2);
  (void)fields.integer("num_ctx", 0);
}

void set_layers(const Fields& fields, const StoredModel& from, Layers layers) {
  if (const auto system = fields.string("system")) layers.set(media::kSystem, *system);
  if (const auto text = fields.string("template")) layers.set(media::kTemplate, *text);
  if (const Json* const license = fields.find("license")) {
    std::string text;
    for (const Json& part : license->is_array() ? *license : Json::array({*license})) {
      if (!part.is_string()) fields.refuse_type("license", "a text or a list of texts");
      text += (text.empty() ? "" : "\n") + part.get<std::string>();
    }
    layers.set(media::kLicense, text);
  }
  if (const Json* const params = fields.object("parameters")) {
    check_params(*params);
    layers.set(media::kParams, merged_params(from.params, *params));
  }
  if (const Json* const messages = fields.array("messages"); messages != nullptr && !messages->empty()) {
    (void)read_messages(*messages);
    layers.set(media::kMessages, dump(*messages));
  }
}

http::Response statuses(const std::vector<std::string>& lines, bool streams) {
  if (!streams) return {.body = dump({{"status", lines.back()}})};
  std::string body;
  for (const std::string& line : lines) body += dump({{"status", line}}) + "\n";
  return {.body = body, .content_type = kNdjson};
}

}  // namespace

http::Response create_model(ModelPool& pool, const http::Request& request) {
  const Json body = parse_object(request.body);
  const Fields fields(body);
  const ModelName name = name_to_write(model_name(fields));
  refuse_what_cannot_be_made(fields);
  const Store& store = own_store(pool);
  const auto source = fields.string("from");
  const Json* const files = fields.object("files");
  if (!source && files == nullptr) refuse("neither 'from' or 'files' was specified", "from");
  StoredModel from;
  Manifest manifest;
  if (files != nullptr) {
    manifest = manifest_of_file(pool, *files);
  } else {
    from = find_or_throw(pool, *source);
    manifest = manifest_of(pool, from);
  }
  set_layers(fields, from, Layers(store, manifest));
  if (const auto ok = store.write(name, manifest); !ok) throw to_api_error(ok.error());
  std::vector<std::string> lines = {"parsing GGUF"};
  for (const Layer& layer : manifest.layers) lines.push_back("using layer sha256:" + layer.digest);
  lines.insert(lines.end(), {"writing manifest", "success"});
  return statuses(lines, read_stream(fields));
}

http::Response copy_model(ModelPool& pool, const http::Request& request) {
  const Json body = parse_object(request.body);
  const Fields fields(body);
  const StoredModel model = find_or_throw(pool, fields.string("source").value_or(""));
  const ModelName name = name_to_write(fields.string("destination").value_or(""));
  const Store& store = own_store(pool);
  if (const auto ok = store.write(name, manifest_of(pool, model)); !ok) throw to_api_error(ok.error());
  return {.content_type = "text/plain"};
}

http::Response delete_model(ModelPool& pool, const http::Request& request) {
  const Json body = parse_object(request.body);
  const StoredModel model = find_or_throw(pool, model_name(Fields(body)));
  if (model.origin != StoredModel::Origin::kOwn) {
    const bool is_file = model.origin == StoredModel::Origin::kFile;
    throw ApiError{
        .status = 403,
        .message = "'" + model.name.text() + "' is " +
                   (is_file ? "a file of the server's folder; remove it there."
                            : "of Ollama's own store, which this server only reads; remove it with "
                              "`ollama rm`.")};
  }
  (void)value_or_throw(own_store(pool).remove(model.name));
  return {.content_type = "text/plain"};
}

}  // namespace tq::server::ollama
