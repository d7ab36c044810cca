#include "sampler/grammar/states.h"

#include <algorithm>

namespace tq {
namespace {

// Of an ambiguous grammar, only so many of the ways in which it can go on are followed. Some texts that it
// allows may then be refused; what is accepted always is one of its texts.
constexpr std::size_t kMaxStacks = 20'000;
constexpr std::size_t kMaxSteps = 200'000;  // of one expansion

std::size_t mix(std::size_t hash, std::uint32_t value) {
  hash = (hash ^ value) * 0x9e3779b97f4a7c15U;
  return hash ^ (hash >> 32);
}

// The characters that `bits` can become with `missing` more continuation bytes, as far as they are
// well-formed.
CharRange possible(std::uint32_t bits, int missing) {
  const int shift = 6 * missing;
  CharRange range{bits << shift, (bits << shift) | ((1U << shift) - 1)};
  if (bits == 0) range.first = missing == 2 ? 0x800 : 0x10000;  // below is a shorter form's
  range.last = std::min(range.last, kMaxChar);
  return range;
}

// Lead bytes whose first continuation byte is not free (Unicode table 3-7): E0, ED, F0 and F4.
bool is_restricted(std::uint32_t bits, int missing) {
  return missing == 2 ? bits == 0 || bits == 0xD : missing == 3 && (bits == 0 || bits == 4);
}

// What stands for all partial characters of which nothing matters but how many bytes are missing.
std::uint32_t any_bits(int missing) { return missing == 1 ? 2 : 1; }

}  // namespace

std::size_t States::FrameHash::operator()(const Frame& frame) const {
  return mix(mix(mix(0, static_cast<std::uint32_t>(frame.at)), static_cast<std::uint32_t>(frame.count)),
             static_cast<std::uint32_t>(frame.parent));
}

std::size_t States::KeyHash::operator()(const std::vector<std::int32_t>& key) const {
  std::size_t hash = key.size();
  for (const std::int32_t value : key) hash = mix(hash, static_cast<std::uint32_t>(value));
  return hash;
}

States::States(const Rules& rules) : rules_(rules) { clear(); }

void States::clear() {
  frames_.clear();
  frame_ids_.clear();
  visited_.clear();
  info_.clear();
  state_ids_.clear();
  row_of_.assign(1, 1);
  rows_.resize(2);
  rows_.shrink_to_fit();
  rows_[0].fill(kUnknown);
  rows_[1].fill(kDead);
  info_.push_back({{}, false, {}});
  state_ids_.emplace(std::vector<std::int32_t>{0, 0, 0}, kDead);
  enter(rules_.root, kNone);
  expand();
  start_ = state(found_, found_end_, {});
}

std::int32_t States::frame(Frame frame) {
  const auto [entry, is_new] = frame_ids_.try_emplace(frame, static_cast<std::int32_t>(frames_.size()));
  if (is_new) {
    frames_.push_back(frame);
    visited_.push_back(0);
  }
  return entry->second;
}

const CharSet& States::set_of(std::int32_t stack) const {
  const Frame& top = frames_[static_cast<std::size_t>(stack)];
  return rules_.sets[static_cast<std::size_t>(element(top.at).value)];
}

States::Id States::state(std::vector<std::int32_t> stacks, bool is_complete, Partial partial) {
  std::ranges::sort(stacks);
  stacks.erase(std::unique(stacks.begin(), stacks.end()), stacks.end());
  std::vector<std::int32_t> key = {static_cast<std::int32_t>(partial.bits), partial.missing,
                                   is_complete ? 1 : 0};
  key.insert(key.end(), stacks.begin(), stacks.end());
  const auto [entry, is_new] = state_ids_.try_emplace(std::move(key), static_cast<Id>(info_.size()));
  if (is_new) {
    info_.push_back({partial, is_complete, std::move(stacks)});
    row_of_.push_back(0);
  }
  return entry->second;
}

States::Id States::compute(Id from, std::uint8_t byte) {
  const Id to = after_byte(from, byte);
  std::int32_t& row = row_of_[static_cast<std::size_t>(from)];
  if (row == 0) {
    row = static_cast<std::int32_t>(rows_.size());
    rows_.push_back(rows_[0]);
  }
  rows_[static_cast<std::size_t>(row)][byte] = to;
  return to;
}

States::Id States::after_byte(Id from, std::uint8_t byte) {
  const auto [bits, missing] = info_[static_cast<std::size_t>(from)].partial;
  if (missing == 0) {
    if (byte < 0x80) return after_char(from, byte);
    if (byte >= 0xC2 && byte < 0xE0) return after_partial(from, {byte & 0x1FU, 1});
    if (byte >= 0xE0 && byte < 0xF0) return after_partial(from, {byte & 0x0FU, 2});
    if (byte >= 0xF0 && byte < 0xF5) return after_partial(from, {byte & 0x07U, 3});
    return kDead;
  }
  if ((byte & 0xC0) != 0x80) return kDead;
  const std::uint32_t more = bits << 6 | (byte & 0x3FU);
  if (is_restricted(bits, missing)) {
    const CharRange range = possible(bits, missing);
    const int shift = 6 * (missing - 1);
    const bool is_surrogate = missing == 2 && bits == 0xD && more >= 0xD800 >> 6;
    if (more < range.first >> shift || more > range.last >> shift || is_surrogate) return kDead;
  }
  return missing == 1 ? after_char(from, more) : after_partial(from, {more, missing - 1});
}

States::Id States::after_partial(Id from, Partial partial) {
  const CharRange range = possible(partial.bits, partial.missing);
  std::vector<std::int32_t> stacks;
  bool is_any = !is_restricted(partial.bits, partial.missing);
  for (const std::int32_t stack : info_[static_cast<std::size_t>(from)].stacks) {
    if (!set_of(stack).intersects(range)) continue;
    stacks.push_back(stack);
    is_any = is_any && set_of(stack).covers(range);
  }
  if (stacks.empty()) return kDead;
  if (is_any) partial.bits = any_bits(partial.missing);
  return state(std::move(stacks), false, partial);
}

States::Id States::after_char(Id from, std::uint32_t c) {
  for (const std::int32_t stack : info_[static_cast<std::size_t>(from)].stacks) {
    if (!set_of(stack).contains(c)) continue;
    const Frame& top = frames_[static_cast<std::size_t>(stack)];
    todo_.push_back({top.at + 1, 0, top.parent});
  }
  if (todo_.empty()) return kDead;
  expand();
  return state(found_, found_end_, {});
}

void States::expand() {
  ++expansion_;
  found_.clear();
  found_end_ = false;
  repeats_.clear();
  for (std::size_t steps = 0; !todo_.empty(); ++steps) {
    const Frame place = todo_.back();
    todo_.pop_back();
    if (found_.size() >= kMaxStacks || steps >= kMaxSteps) continue;
    const Element& here = element(place.at);
    switch (here.op) {
      case Op::kChars:
        found_.push_back(frame(place));
        break;
      case Op::kCall: {
        const std::int32_t id = frame(place);
        if (!visit(id)) break;
        // A call at an alternative's end returns to where the alternative does, so that rules that recurse
        // on the right need no deeper stack for it.
        enter(here.value, element(place.at + 1).op == Op::kEnd ? place.parent : id);
        break;
      }
      case Op::kRepeat:
        expand_repeat(place);
        break;
      case Op::kEnd:
        leave(place.parent);
        break;
    }
  }
}

void States::expand_repeat(const Frame& repeat) {
  const Element& here = element(repeat.at);
  if (is_dominated(repeat) || !visit(frame(repeat))) return;
  if (repeat.count >= here.min) todo_.push_back({repeat.at + 1, 0, repeat.parent});
  if (here.max != kUnbounded && repeat.count >= here.max) return;
  // Counting ends where the count no longer matters.
  const std::int32_t count = here.max == kUnbounded ? std::min(repeat.count + 1, here.min) : repeat.count + 1;
  enter(here.value, frame({repeat.at, count, repeat.parent}));
}

void States::enter(std::int32_t rule, std::int32_t parent) {
  for (const std::int32_t begin : rules_.rules[static_cast<std::size_t>(rule)].alternatives) {
    todo_.push_back({begin, 0, parent});
  }
}

void States::leave(std::int32_t parent) {
  if (parent == kNone) {
    found_end_ = true;
    return;
  }
  const Frame& caller = frames_[static_cast<std::size_t>(parent)];
  if (element(caller.at).op == Op::kRepeat) {
    todo_.push_back(caller);
  } else {
    todo_.push_back({caller.at + 1, 0, caller.parent});
  }
}

bool States::visit(std::int32_t frame) {
  std::uint32_t& last = visited_[static_cast<std::size_t>(frame)];
  if (last == expansion_) return false;
  last = expansion_;
  return true;
}

// Where empty repetitions are possible, min is 0 (analyse()), and whoever has begun fewer can do all that
// another can: without this, (a?){1000} would go through a thousand counts in one step.
bool States::is_dominated(const Frame& repeat) {
  const Element& here = element(repeat.at);
  if (here.max == kUnbounded || !rules_.rules[static_cast<std::size_t>(here.value)].can_be_empty)
    return false;
  for (const Frame& other : repeats_) {
    if (other.at == repeat.at && other.parent == repeat.parent && other.count <= repeat.count) return true;
  }
  repeats_.push_back(repeat);
  return false;
}

// `top` and what it returns to, of another table of frames, into this one. Parents come before children.
std::int32_t States::import_stack(std::int32_t top, const std::vector<Frame>& frames) {
  std::vector<Frame> path;
  for (std::int32_t at = top; at != kNone; at = frames[static_cast<std::size_t>(at)].parent) {
    path.push_back(frames[static_cast<std::size_t>(at)]);
  }
  std::int32_t parent = kNone;
  for (; !path.empty(); path.pop_back()) {
    path.back().parent = parent;
    parent = frame(path.back());
  }
  return parent;
}

States::Id States::forget_all_but(Id state_id) {
  if (state_id == kDead) {
    clear();
    return kDead;
  }
  const Info kept = info_[static_cast<std::size_t>(state_id)];
  const std::vector<Frame> frames = std::move(frames_);
  clear();
  std::vector<std::int32_t> stacks;
  for (const std::int32_t stack : kept.stacks) stacks.push_back(import_stack(stack, frames));
  return state(std::move(stacks), kept.is_complete, kept.partial);
}

}  // namespace tq
