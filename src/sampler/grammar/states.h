// The grammar as a deterministic automaton over bytes, built as far as texts reach it.
//
// A stack is a place in the rules and the places to return to; a state is the set of stacks that the text so
// far leaves possible, with the bytes of an unfinished character. Stacks are shared lists and states are
// numbered, so that what was computed once is a look-up ever after: checking a token costs a few nanoseconds
// a byte, and masks can be kept by state.
#pragma once

#include <array>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "sampler/grammar/rules.h"

namespace tq {

class States {
 public:
  using Id = std::int32_t;
  static constexpr Id kDead = 0;  // no text continues like this

  // `rules` must outlive the states.
  explicit States(const Rules& rules);

  Id start() const { return start_; }
  Id next(Id state, std::uint8_t byte) {
    const Id known = rows_[static_cast<std::size_t>(row_of_[static_cast<std::size_t>(state)])][byte];
    return known != kUnknown ? known : compute(state, byte);
  }
  bool is_complete(Id state) const { return info_[static_cast<std::size_t>(state)].is_complete; }

  std::size_t size() const { return info_.size(); }
  // Forgets all states but the start and `state`, whose new number is returned.
  Id forget_all_but(Id state);

 private:
  static constexpr Id kUnknown = -1;
  static constexpr std::int32_t kNone = -1;  // the empty stack

  // A place in the rules. `count` is how many repetitions were begun, where it is one.
  struct Frame {
    std::int32_t at;
    std::int32_t count;
    std::int32_t parent;
    bool operator==(const Frame&) const = default;
  };
  struct FrameHash {
    std::size_t operator()(const Frame& frame) const;
  };
  // Continuation bytes that are still to come, and the bits of the character so far.
  struct Partial {
    std::uint32_t bits = 0;
    int missing = 0;
  };
  struct Info {
    Partial partial;
    bool is_complete;
    std::vector<std::int32_t> stacks;  // frames at a kChars element, ascending
  };
  struct KeyHash {
    std::size_t operator()(const std::vector<std::int32_t>& key) const;
  };
  using Row = std::array<Id, 256>;

  void clear();
  std::int32_t frame(Frame frame);
  std::int32_t import_stack(std::int32_t top, const std::vector<Frame>& frames);
  const Element& element(std::int32_t at) const { return rules_.elements[static_cast<std::size_t>(at)]; }
  const CharSet& set_of(std::int32_t stack) const;
  Id state(std::vector<std::int32_t> stacks, bool is_complete, Partial partial);

  Id compute(Id from, std::uint8_t byte);
  Id after_byte(Id from, std::uint8_t byte);
  Id after_char(Id from, std::uint32_t c);
  Id after_partial(Id from, Partial partial);

  // Follows rules from the places in todo_ until characters are needed, into found_ and found_end_.
  void expand();
  void expand_repeat(const Frame& repeat);
  void enter(std::int32_t rule, std::int32_t parent);
  void leave(std::int32_t parent);
  bool visit(std::int32_t frame);
  bool is_dominated(const Frame& repeat);

  const Rules& rules_;
  Id start_ = kDead;
  std::vector<Frame> frames_;
  std::unordered_map<Frame, std::int32_t, FrameHash> frame_ids_;
  std::vector<Info> info_;
  std::unordered_map<std::vector<std::int32_t>, Id, KeyHash> state_ids_;
  std::vector<std::int32_t> row_of_;
  std::vector<Row> rows_;  // [0]: a state of which nothing is known yet; [1]: the dead state's

  std::vector<Frame> todo_;
  std::vector<Frame> repeats_;          // those of this expansion whose rule can be empty
  std::vector<std::uint32_t> visited_;  // [frame]: the expansion that was there last
  std::uint32_t expansion_ = 0;
  std::vector<std::int32_t> found_;
  bool found_end_ = false;
};

}  // namespace tq
