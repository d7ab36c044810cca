#include "eval/context.h"

#include <algorithm>
#include <array>

#include "tq/utf8.h"

namespace tq::eval {

Sizes sizes_of(EvalProfile profile) {
  if (profile == EvalProfile::kQuick) {
    return {.perplexity = {{512, 6}, {4096, 1}},
            .kld_context = 256,
            .kld_tokens = 256,
            .trajectory_prompts = 4,
            .trajectory_tokens = 48,
            .long_answers = 2,
            .long_answer_tokens = 96,
            .perturbation_prompts = 4,
            .perturbation_tokens = 32,
            .needle_lengths = {512, 1536},
            .needle_depths = {10, 50, 90},
            .prompt_tokens = 64,
            .prompt_filler = 1024,
            .fidelity_context = 512,
            .fidelity_tokens = 32,
            .matrix_context = 64,
            .matrix_tokens = 32,
            .endurance_turns = 10,
            .endurance_answer = 16,
            .endurance_input = 160,
            .speed_depth = 2048,
            .speed_tokens = 48,
            .speed_rounds = 5,
            .memory_tokens = 3072};
  }
  return {.perplexity = {{512, 64}, {4096, 8}},
          .kld_context = 512,
          .kld_tokens = 2048,
          .trajectory_prompts = 16,
          .trajectory_tokens = 128,
          .long_answers = 8,
          .long_answer_tokens = 512,
          .perturbation_prompts = 8,
          .perturbation_tokens = 64,
          .needle_lengths = {1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072},
          .needle_depths = {0, 25, 50, 75, 100},
          .prompt_tokens = 384,
          .prompt_filler = 20480,
          .fidelity_context = 2048,
          .fidelity_tokens = 128,
          .matrix_context = 512,
          .matrix_tokens = 256,
          .endurance_turns = 50,
          .endurance_answer = 48,
          .endurance_input = 512,
          .speed_depth = 4096,
          .speed_tokens = 96,
          .speed_rounds = 9,
          .memory_tokens = 16384};
}

Expected<void> check_interrupt(const EvalContext& context) {
  if (!context.options.interrupted || !context.options.interrupted()) return {};
  return Error{ErrorCode::kInterrupted, "interrupted; --resume continues from what is measured."};
}

Expected<std::unique_ptr<Session>> open_session(const EvalContext& context, const CachePlan& plan,
                                                std::int64_t n_ctx) {
  return context.engine->create_session({.plan = plan, .n_ctx = std::min(n_ctx, context.n_ctx_max())});
}

Expected<std::span<const float>> feed(const EvalContext& context, Session& session,
                                      std::span<const Token> tokens, std::size_t step,
                                      const Session::LogitsVisitor& visitor) {
  const auto cached = session.tokens();
  const auto differs = std::mismatch(cached.begin(), cached.end(), tokens.begin(), tokens.end()).second;
  std::size_t done = std::min(static_cast<std::size_t>(differs - tokens.begin()), tokens.size() - 1);
  while (true) {
    if (const auto ok = check_interrupt(context); !ok) return ok.error();
    done = std::min(done + step, tokens.size());
    auto logits = session.sync(tokens.first(done), visitor);
    if (!logits || done == tokens.size()) return logits;
  }
}

Expected<std::vector<std::span<const float>>> feed_together(const EvalContext& context,
                                                            std::span<const Feed> feeds) {
  std::vector<Work> work;
  for (const Feed& feed : feeds) work.push_back({.session = feed.session, .tokens = feed.tokens});
  while (std::ranges::any_of(work, [](const Work& w) { return !w.result; })) {
    if (const auto ok = check_interrupt(context); !ok) return ok.error();
    context.engine->step(work);
  }
  std::vector<std::span<const float>> logits;
  for (const Work& w : work) {
    if (!*w.result) return w.result->error();
    logits.push_back(**w.result);
  }
  return logits;
}

Expected<std::vector<Token>> greedy(const EvalContext& context, Session& session,
                                    std::span<const Token> prompt, std::int64_t n, bool stops_at_end) {
  auto texts = greedy_together(context, std::array{Feed{&session, prompt}}, n, stops_at_end);
  if (!texts) return texts.error();
  return std::move(texts->front());
}

Expected<std::vector<std::vector<Token>>> greedy_together(const EvalContext& context,
                                                          std::span<const Feed> prompts, std::int64_t n,
                                                          bool stops_at_end) {
  std::vector<std::vector<Token>> texts;  // with their prompts
  std::vector<std::size_t> open;          // those that go on
  for (const Feed& prompt : prompts) {
    open.push_back(texts.size());
    texts.emplace_back(prompt.tokens.begin(), prompt.tokens.end());
  }
  const auto is_full = [&](std::size_t i) {
    return static_cast<std::int64_t>(texts[i].size()) >= prompts[i].session->n_ctx();
  };
  for (std::int64_t step = 0; step < n; ++step) {
    std::erase_if(open, is_full);
    if (open.empty()) break;
    std::vector<Feed> feeds;
    feeds.reserve(open.size());
    for (const std::size_t i : open) feeds.push_back({prompts[i].session, texts[i]});
    const auto logits = feed_together(context, feeds);
    if (!logits) return logits.error();
    std::vector<std::size_t> unfinished;
    for (std::size_t j = 0; j < open.size(); ++j) {
      const Token next = argmax((*logits)[j]);
      if (stops_at_end && context.engine->is_end_of_generation(next)) continue;
      texts[open[j]].push_back(next);
      unfinished.push_back(open[j]);
    }
    open = std::move(unfinished);
  }
  for (std::size_t i = 0; i < texts.size(); ++i) {
    texts[i].erase(texts[i].begin(),
                   texts[i].begin() + static_cast<std::ptrdiff_t>(prompts[i].tokens.size()));
  }
  return texts;
}

Token argmax(std::span<const float> logits) {
  return static_cast<Token>(std::ranges::max_element(logits) - logits.begin());
}

std::string text_of(const Engine& engine, std::span<const Token> tokens) {
  Utf8Stream stream;
  std::string text;
  for (const Token token : tokens) text += stream.push(engine.token_bytes(token));
  return text + stream.finish();
}

Expected<std::vector<Token>> chat_prompt(const EvalContext& context, std::span<const ChatMessage> messages) {
  if (context.engine->has_chat_template()) {
    auto tokens = context.engine->encode_chat(messages);
    if (tokens) return tokens;
  }
  std::string text;
  for (const ChatMessage& message : messages) {
    text += (message.role == "assistant" ? "Answer: " : "Question: ") + message.content + "\n\n";
  }
  return context.engine->encode(text + "Answer:", SpecialText::kPlain, true);
}

std::vector<Token> corpus_window(const EvalContext& context, std::int64_t first, std::int64_t n) {
  std::vector<Token> window = context.bos;
  const auto begin = context.corpus.begin() + first;
  window.insert(window.end(), begin, begin + n);
  return window;
}

double bytes_per_token(const Session& session) {
  constexpr std::size_t kPage = 128;  // kv_bytes counts whole pages
  const std::size_t pages = std::max<std::size_t>(1, (session.tokens().size() + kPage - 1) / kPage);
  return static_cast<double>(session.kv_bytes()) / static_cast<double>(pages * kPage);
}

}  // namespace tq::eval
