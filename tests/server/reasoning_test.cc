#include "server/api/reasoning.h"

#include <gtest/gtest.h>

namespace tq::server {
namespace {

using Start = ReasoningSplitter::Start;

// Whatever the pieces, the parts are the same.
void expect_split(Start start, const std::string& text, const std::string& reasoning,
                  const std::string& content) {
  for (std::size_t size = 1; size <= text.size(); ++size) {
    ReasoningSplitter splitter(start);
    SplitText all;
    const auto add = [&](const SplitText& part) {
      all.reasoning += part.reasoning;
      all.content += part.content;
    };
    for (std::size_t i = 0; i < text.size(); i += size) add(splitter.push(text.substr(i, size)));
    add(splitter.finish());
    EXPECT_EQ(all.reasoning, reasoning) << size;
    EXPECT_EQ(all.content, content) << size;
  }
}

TEST(Reasoning, IsToldFromTheAnswer) {
  expect_split(Start::kBefore, "<think>\nTwo and two.\n\nFour?\n</think>\n\nIt is 4. ",
               "Two and two.\n\nFour?", "It is 4. ");
  expect_split(Start::kBefore, "\n<think></think>yes", "", "yes");
  expect_split(Start::kInside, "So </thin is no end</think>done", "So </thin is no end", "done");
}

TEST(Reasoning, OtherTextStaysWhole) {
  expect_split(Start::kBefore, " <b>bold</b> <think>", "", " <b>bold</b> <think>");
  expect_split(Start::kBefore, "<thin", "", "<thin");
  expect_split(Start::kOff, "<think>a</think>b", "", "<think>a</think>b");
}

TEST(Reasoning, MayNeverEnd) {
  expect_split(Start::kBefore, "<think> on and on </thi", "on and on </thi", "");
}

TEST(Reasoning, StartsWhereThePromptEnds) {
  EXPECT_EQ(ReasoningSplitter::start_after("<|assistant|><think>\n"), Start::kInside);
  EXPECT_EQ(ReasoningSplitter::start_after("<|assistant|>\n"), Start::kBefore);
}

}  // namespace
}  // namespace tq::server
