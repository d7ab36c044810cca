// Whether a message says that somebody may be in danger of suicide or of hurting themselves.
//
// A wrong alarm costs a few lines of text, a missed one may cost a life: whatever is in doubt is answered
// with help.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "edge/hints.h"
#include "edge/lexicon.h"
#include "tq/error.h"

namespace tq::edge {

enum class Level {
  kNone,        // no sign was found
  kHint,        // no rule finds anything, but it sounds like danger: a short note says where help is
  kUnreadable,  // it could not be read (no text, another script): help is shown
  kConcern,     // danger may be meant: help is shown
  kCrisis,      // danger is said: help is shown, emergency numbers first
};

const char* level_name(Level level);  // "none", "hint", "unreadable", "concern", "crisis"

struct Sign {
  Level level = Level::kNone;
  std::string words;     // the message's own, as they were read
  std::string rule;      // of the lexicon
  std::string language;  // "en"
  bool is_denied = false;
};

struct Screening {
  Level level = Level::kNone;
  std::string reason;           // of kHint and kUnreadable
  std::string language = "en";  // of the strongest sign; of a hint the message's
  std::optional<double> hint;   // log-odds of danger by the hints; none where they were not asked
  std::vector<Sign> signs;      // strongest first
  bool needs_help() const { return level != Level::kNone; }
};

class Detector {
 public:
  Detector(Lexicon lexicon, Hints hints) : lexicon_(std::move(lexicon)), hints_(std::move(hints)) {}
  // With the rules of this build. Never fails: with rules that can't be read every message is kUnreadable.
  static const Detector& built_in();

  // `text` may be any bytes. Of more than 64 KiB the beginning and the end are read.
  Screening screen(std::string_view text) const;

  const Lexicon& lexicon() const { return lexicon_; }

 private:
  void look_for_hint(const Words& words, Screening& screening) const;

  Lexicon lexicon_;
  Hints hints_;
};

}  // namespace tq::edge
