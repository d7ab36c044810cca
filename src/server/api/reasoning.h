// Tells what a model thought, between <think> and </think>, from what it answered, as the text comes.
#pragma once

#include <string>
#include <string_view>

namespace tq::server {

struct SplitText {
  std::string reasoning;
  std::string content;
};

class ReasoningSplitter {
 public:
  // kBefore: an answer may begin with <think>. kInside: the prompt ended with it. kOff: all is content.
  enum class Start { kOff, kBefore, kInside };
  explicit ReasoningSplitter(Start start);
  // Where an answer to this prompt begins.
  static Start start_after(std::string_view prompt);

  SplitText push(std::string_view text);
  SplitText finish();  // the text has ended

 private:
  enum class Place { kBefore, kInside, kAfter, kContent };

  bool leave_before();
  bool leave_inside(std::string& reasoning);
  bool leave_after();

  Place place_;
  bool is_over_ = false;
  bool has_reasoning_ = false;
  std::string held_;
};

}  // namespace tq::server
