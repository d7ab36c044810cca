// What the tests of sessions share: small engines, texts of token ids, logits that are compared bit for bit.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "../model/tiny_model.h"
#include "tq/engine.h"

namespace tq {

using Logits = std::vector<float>;

inline std::vector<Token> text(std::size_t n, Token first = 3) {
  std::vector<Token> tokens(n);
  for (std::size_t i = 0; i < n; ++i)
    tokens[i] = static_cast<Token>((static_cast<std::size_t>(first) + i * 7) % 290);
  return tokens;
}

inline std::vector<Token> first_of(const std::vector<Token>& tokens, std::size_t n) {
  return {tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(n)};
}

inline std::unique_ptr<Engine> load_engine(const EngineOptions& options) {
  auto engine = Engine::load(options);
  EXPECT_TRUE(engine) << engine.error().message;
  return engine ? std::move(*engine) : nullptr;
}

inline std::unique_ptr<Session> new_session(Engine& engine) {
  auto made = engine.create_session();
  EXPECT_TRUE(made) << made.error().message;
  return std::move(*made);
}

inline Logits sync(Session& session, const std::vector<Token>& tokens) {
  const auto logits = session.sync(tokens);
  EXPECT_TRUE(logits) << logits.error().message;
  EXPECT_TRUE(std::ranges::equal(session.tokens(), tokens));
  return logits ? Logits(logits->begin(), logits->end()) : Logits();
}

// How many positions sync() computes.
inline std::int64_t computed(Session& session, const std::vector<Token>& tokens) {
  std::int64_t n = 0;
  const auto result = session.sync(tokens, [&](std::int64_t, std::span<const float>) { ++n; });
  EXPECT_TRUE(result) << result.error().message;
  return n;
}

}  // namespace tq
