#include "guess_options.h"

#include <algorithm>
#include <limits>

#include "gguf/gguf.h"

namespace tq::app {
namespace {

Expected<std::int64_t> trained_context(const std::string& path) {
  const auto file = GgufFile::open(path);
  if (!file) return file.error();
  const auto architecture = file->get_string("general.architecture");
  if (!architecture) return architecture.error();
  return file->get_int(std::string(*architecture) + ".context_length", 1, std::numeric_limits<int>::max());
}

}  // namespace

void add_guess_options(CLI::App& app, GuessOptions& options) {
  app.add_flag("--lookup", options.lookup, "guess that the text repeats itself; quicker edits and summaries");
  app.add_option("--draft-model,--model-draft", options.draft_model,
                 "(-md) guess with this smaller model of the same family")
      ->type_name("FILE");
  add_float(app, "--draft-p-min", options.draft_p_min,
            "a draft model stops at a token less likely than X [0.75]");
}

Expected<void> check(const GuessOptions& options) {
  if (!options.lookup || !options.draft_model) return {};
  return Error{ErrorCode::kBadArgument, "--lookup and --draft-model both guess; use one of them."};
}

Expected<std::unique_ptr<Engine>> load_draft(const GuessOptions& options, const EngineOptions& target,
                                             std::int64_t n_ctx) {
  if (!options.draft_model) return std::unique_ptr<Engine>();
  EngineOptions engine = target;
  engine.model_path = *options.draft_model;
  const auto n_ctx_train = trained_context(engine.model_path);
  if (!n_ctx_train) return n_ctx_train.error();
  engine.n_ctx = std::min(n_ctx, *n_ctx_train);
  engine.cache_plan = {};  // it is for the layers of the other model
  engine.disk_cache = {};
  return Engine::load(engine);
}

Expected<std::unique_ptr<Drafter>> make_drafter(const GuessOptions& options, const Engine& target,
                                                Engine* draft) {
  if (options.lookup) return make_lookup_drafter();
  return make_model_drafter(target, *draft, static_cast<double>(options.draft_p_min));
}

}  // namespace tq::app
