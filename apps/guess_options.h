// Options of what guesses the next tokens: the text itself, or a smaller model. Both change no answer.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "command_line.h"
#include "tq/engine.h"
#include "tq/speculation.h"

namespace tq::app {

struct GuessOptions {
  bool lookup = false;
  std::optional<std::string> draft_model;
  float draft_p_min = 0.75F;

  bool any() const { return lookup || draft_model; }
};

void add_guess_options(CLI::App& app, GuessOptions& options);

// kBadArgument for two that guess.
Expected<void> check(const GuessOptions& options);

// The draft model, loaded as `target` is, for texts of n_ctx tokens (or as many as it was made for; it is
// silent beyond); null where none is named.
Expected<std::unique_ptr<Engine>> load_draft(const GuessOptions& options, const EngineOptions& target,
                                             std::int64_t n_ctx);

// What guesses for one text of `target`; any() has to hold. `draft` is that of load_draft(), and outlives it.
Expected<std::unique_ptr<Drafter>> make_drafter(const GuessOptions& options, const Engine& target,
                                                Engine* draft);

}  // namespace tq::app
