// Continues a text, greedily, over the C++ interface.
//   example_completion_cpp model.gguf "Once upon a time" [tokens]
#include <cstdlib>
#include <iostream>

#include "tq/engine.h"
#include "tq/sampler.h"
#include "tq/utf8.h"

namespace {

int fail(const tq::Error& error) {
  std::cerr << "error: " << error.message << '\n';
  return 1;
}

// [completion]
int complete(const char* model, const char* prompt, int n_tokens) {
  const auto engine = tq::Engine::load(
      {.model_path = model, .n_ctx = 2048, .type_k = tq::KvType::kQ8_0, .type_v = tq::KvType::kTurbo4});
  if (!engine) return fail(engine.error());
  const auto session = (*engine)->create_session();
  if (!session) return fail(session.error());
  const auto sampler = tq::Sampler::create({.temperature = 0.0F});
  if (!sampler) return fail(sampler.error());

  std::vector<tq::Token> tokens = (*engine)->encode(prompt, tq::SpecialText::kPlain, /*add_bos=*/true);
  tq::Utf8Stream text;  // bytes of tokens -> whole characters
  for (int i = 0; i < n_tokens; ++i) {
    const auto logits = (*session)->sync(tokens);  // computes what the cache does not hold yet
    if (!logits) return fail(logits.error());
    const tq::Token token = (*sampler)->sample(*logits, tokens);
    if ((*engine)->is_end_of_generation(token)) break;
    tokens.push_back(token);
    std::cout << text.push((*engine)->token_bytes(token)) << std::flush;
  }
  std::cout << text.finish() << '\n';
  return 0;
}
// [completion]

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: example_completion_cpp MODEL PROMPT [TOKENS]\n";
    return 2;
  }
  return complete(argv[1], argv[2], argc > 3 ? std::atoi(argv[3]) : 32);
}
