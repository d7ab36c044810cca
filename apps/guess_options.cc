#include "guess_options.h"

namespace tq::app {

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
  engine.n_ctx = n_ctx;
  engine.cache_plan = {};  // it is for the layers of the other model
  engine.disk_cache = {};
  auto draft = Engine::load(engine);
  if (draft || draft.error().code != ErrorCode::kBadArgument) return draft;
  engine.n_ctx = 0;  // it was made for shorter texts; what else may be wrong is said now
  return Engine::load(engine);
}

Expected<std::unique_ptr<Drafter>> make_drafter(const GuessOptions& options, const Engine& target,
                                                Engine* draft) {
  if (options.lookup) return make_lookup_drafter();
  return make_model_drafter(target, *draft, static_cast<double>(options.draft_p_min));
}

}  // namespace tq::app
