#include "engine/batch_runner.h"

#include <algorithm>
#include <string>

namespace tq {
namespace {

// Few rows are decoded, more are prefilled; the two sum in different orders and so differ in rounding.
// Prefill in pieces gives the same bytes as at once as long as no piece is so short that it is decoded.
constexpr std::int64_t kMinPrefillRows = kDecodeRows + 1;
// A prompt's rows in a step that also decodes, and the least share of one of several prompts.
constexpr std::int64_t kPrefillBesideDecode = 128;
constexpr std::int64_t kMinShare = 32;

// At most `limit` of `missing` rows; neither the piece nor what it leaves is too short to be prefilled.
std::int64_t piece(std::int64_t missing, std::int64_t limit) {
  if (missing <= limit) return missing;
  return missing - limit < kMinPrefillRows ? missing - kMinPrefillRows : limit;
}

// How many of a job's first tokens are taken from its timeline. What was prefilled is prefilled again, enough
// of it to be the bytes and logits of the first time: an answer must not depend on what was asked before.
std::int64_t usable(const Job& job) {
  const Timeline& t = *job.timeline;
  const auto cached = static_cast<std::int64_t>(t.tokens.size());
  const auto before_end =
      std::max<std::int64_t>(static_cast<std::int64_t>(job.tokens.size()) - kMinPrefillRows, 0);
  const std::int64_t shared = t.shared(job.tokens);
  if (job.is_prompt && !t.recurrent.is_used()) {
    // A conversation goes on from an answer that was decoded.
    const bool goes_on = shared == cached && cached > std::max(t.n_canonical, kDecodeRows);
    return goes_on ? shared : std::min({shared, t.n_canonical, before_end});
  }
  return shared < cached && shared < t.n_canonical ? std::min(shared, before_end) : shared;
}

}  // namespace

void share_rows(std::span<Job> jobs, std::int64_t max_batch) {
  std::int64_t free = max_batch;
  std::int64_t n_prompts = 0;
  for (Job& job : jobs) {
    job.n_rows = 0;
    if (job.result || job.is_loading) continue;
    if (job.missing() > kDecodeRows) {
      ++n_prompts;
    } else if (job.missing() <= free) {
      job.n_rows = job.missing();
      free -= job.n_rows;
    }
  }
  if (free < max_batch) free = std::min(free, kPrefillBesideDecode);
  for (Job& job : jobs) {
    if (job.result || job.is_loading || job.missing() <= kDecodeRows) continue;
    const std::int64_t share = std::max(free / n_prompts--, kMinShare);
    if (share > free) return;  // the others wait for the next step
    job.n_rows = piece(job.missing(), share);
    free -= job.n_rows;
  }
}

void BatchRunner::step(std::span<Job> jobs) {
  const std::lock_guard lock(mutex_);
  for (Job& job : jobs) {
    if (const auto ok = begin(job); !ok) job.result = ok.error();
  }
  share_rows(jobs, workspace_.max_batch);
  for (Job& job : jobs) open(job);
  forward(jobs);
  for (Job& job : jobs) {
    if (job.n_rows > 0) advance(job);
  }
  give_states(jobs);
  give_logits(jobs);
}

Expected<void> BatchRunner::check(const Job& job) const {
  if (job.tokens.empty()) {
    return Error{ErrorCode::kBadArgument, "there are no tokens to compute; give a prompt."};
  }
  const std::int64_t n_ctx = job.timeline->cache.n_ctx();
  if (static_cast<std::int64_t>(job.tokens.size()) > n_ctx) {
    return Error{ErrorCode::kContextFull, std::to_string(job.tokens.size()) +
                                              " tokens do not fit the context of " + std::to_string(n_ctx) +
                                              "; use a longer context (-c) or a shorter text."};
  }
  const int n_vocab = model_.config().n_vocab;
  for (const Token token : job.tokens) {
    if (token < 0 || token >= n_vocab) {
      return Error{ErrorCode::kBadArgument, "the token id " + std::to_string(token) +
                                                " is outside the model's vocabulary of " +
                                                std::to_string(n_vocab) + "."};
    }
  }
  return {};
}

// Rewinds the timeline to what it shares with the wanted tokens, takes over what other sessions computed, and
// reserves the rest.
Expected<void> BatchRunner::begin(Job& job) const {
  if (auto ok = check(job); !ok) return ok;
  Timeline& t = *job.timeline;
  const auto n = static_cast<std::int64_t>(job.tokens.size());
  const bool is_known = std::ranges::equal(t.tokens, job.tokens) && !t.logits.empty();
  if (t.recurrent.is_used() && is_known &&
      !job.wants_all()) {  // computing it again would mean starting again
    job.held = n;
    job.result = std::span<const float>(t.logits);
    return {};
  }
  const auto cached = static_cast<std::int64_t>(t.tokens.size());
  const std::int64_t own = t.cache.resumable(t.recurrent.rewind(usable(job), cached));
  // What is left must still be prefilled, as all of it would have been.
  const KvCache::Adopted adopted = t.recurrent.is_used()
                                       ? KvCache::Adopted{own, false}
                                       : t.cache.adopt(job.tokens, own, n - kMinPrefillRows);
  job.held = adopted.held;
  job.is_loading = adopted.is_partial;
  t.n_canonical = job.held > own ? job.held : std::min(t.n_canonical, own);
  t.tokens.assign(job.tokens.begin(), job.tokens.begin() + job.held);
  if (job.is_loading) return {};
  return t.cache.reserve(job.held, n);
}

// Where the rows of this step go in layers with a window.
void BatchRunner::open(Job& job) const {
  if (job.n_rows == 0) return;
  if (const auto ok = job.timeline->cache.open(job.held, job.held + job.n_rows); !ok) {
    job.result = ok.error();
    job.n_rows = 0;
  }
}

void BatchRunner::forward(std::span<Job> jobs) {
  batch_tokens_.clear();
  sequences_.clear();
  for (Job& job : jobs) {
    if (job.n_rows == 0) continue;
    job.first_row = static_cast<std::int64_t>(batch_tokens_.size());
    const auto first = job.tokens.begin() + job.held;
    batch_tokens_.insert(batch_tokens_.end(), first, first + job.n_rows);
    RecurrentTimeline& r = job.timeline->recurrent;
    // Several tokens at once, but few, are guesses.
    if (r.is_used() && job.n_rows > 1 && job.n_rows <= kDecodeRows)
      r.keep(RecurrentTimeline::kGuess, job.held);
    sequences_.push_back(
        {&job.timeline->cache, job.held, job.first_row, job.n_rows, r.is_used() ? &r.state() : nullptr});
  }
  if (batch_tokens_.empty()) return;
  model_.forward({batch_tokens_, sequences_}, compute_, attention_, workspace_);
}

void BatchRunner::advance(Job& job) const {
  Timeline& t = *job.timeline;
  const auto first = job.tokens.begin() + job.held;
  t.tokens.insert(t.tokens.end(), first, first + job.n_rows);
  if (t.recurrent.is_used()) {
    if (!job.is_finishing() || job.n_rows <= kDecodeRows) return;
    t.recurrent.keep(RecurrentTimeline::kPrompt, static_cast<std::int64_t>(t.tokens.size()));
    return;
  }
  if (job.n_rows < kMinPrefillRows || t.n_canonical < job.held) return;
  t.n_canonical = job.held + job.n_rows;
  t.cache.publish(std::span(t.tokens).first(static_cast<std::size_t>(t.n_canonical)));
}

void BatchRunner::give_states(std::span<Job> jobs) {
  for (Job& job : jobs) {
    if (job.states == nullptr || job.n_rows == 0) continue;
    model_.hidden_states(job.first_row, job.n_rows, compute_, workspace_);
    const Rows& h = workspace_.h;
    for (std::int64_t i = 0; i < job.n_rows; ++i) {
      (*job.states)(job.held + i, {h.row(i), static_cast<std::size_t>(h.n)});
    }
    if (job.is_finishing()) job.result = std::span<const float>();
  }
}

void BatchRunner::give_logits(std::span<Job> jobs) {
  wanted_.clear();
  for (Job& job : jobs) {
    if (job.states != nullptr) continue;
    const std::int64_t n = job.wants_all() ? job.n_rows : (job.is_finishing() ? 1 : 0);
    for (std::int64_t i = job.n_rows - n; i < job.n_rows; ++i) wanted_.push_back({job.first_row + i, &job});
  }
  Workspace& w = workspace_;
  const auto n_vocab = static_cast<std::size_t>(model_.config().n_vocab);
  // To the front, in place: the residual stream is not needed any more, and rows only move forward.
  for (std::size_t i = 0; i < wanted_.size(); ++i) {
    const float* from = w.x.row(wanted_[i].row);
    std::copy(from, from + model_.config().n_embd, w.x.row(static_cast<std::int64_t>(i)));
  }
  const auto n_wanted = static_cast<std::int64_t>(wanted_.size());
  for (std::int64_t first = 0; first < n_wanted; first += kLogitRows) {
    const std::int64_t n = std::min(kLogitRows, n_wanted - first);
    model_.logits(first, n, compute_, w);
    for (std::int64_t i = 0; i < n; ++i) {
      const auto [row, job] = wanted_[static_cast<std::size_t>(first + i)];
      const std::span<const float> logits(w.logits.row(i), n_vocab);
      const std::int64_t offset = row - job->first_row;
      if (job->wants_all()) (*job->visitor)(job->held + offset, logits);
      if (!job->is_finishing() || offset + 1 < job->n_rows) continue;
      job->timeline->logits.assign(logits.begin(), logits.end());
      job->result = std::span<const float>(job->timeline->logits);
    }
  }
}

}  // namespace tq
