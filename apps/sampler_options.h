// Command-line options of the sampler, under llama.cpp's names.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>

#include "tq/sampler.h"

namespace tq::app {

// At most one of them.
struct GrammarSource {
  std::optional<std::string> gbnf;
  std::optional<std::string> gbnf_file;
  std::optional<std::string> schema;
  std::optional<std::string> schema_file;
};

void add_sampler_options(CLI::App& app, SamplerOptions& options);
void add_penalty_options(CLI::App& app, SamplerOptions& options);
void add_grammar_options(CLI::App& app, GrammarSource& source);

// Null when none was asked for.
Expected<std::shared_ptr<const Grammar>> load_grammar(const GrammarSource& source);

}  // namespace tq::app
