// The files of data/, as this build holds them: nothing has to be there at run time.
#pragma once

#include <string_view>

namespace tq::edge::data {

std::string_view lexicon();       // rules of the detector
std::string_view hints();         // weights for messages in which no rule finds anything
std::string_view word_classes();  // of which the hints make features
std::string_view resources();     // where there is help, JSON
std::string_view development();   // sentences to judge the detector by; rules were tuned on them
std::string_view heldout();       // sentences that rules were not tuned on
std::string_view hard();          // likewise, written to be unlike the rules
std::string_view quiet();         // likewise, signs that no rule has a word for

}  // namespace tq::edge::data
