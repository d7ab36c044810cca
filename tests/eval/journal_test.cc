#include "eval/journal.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace tq::eval {
namespace {

class JournalTest : public testing::Test {
 protected:
  JournalTest() : path_(testing::TempDir() + "tq_journal.jsonl") { std::filesystem::remove(path_); }
  ~JournalTest() override { std::filesystem::remove(path_); }

  Journal open(bool resume, const Json& of = "a") {
    auto journal = Journal::open(path_, of, resume);
    EXPECT_TRUE(journal) << journal.error().message;
    return *std::move(journal);
  }
  void append(const std::string& text) { std::ofstream(path_, std::ios::app) << text; }

  std::string path_;
};

TEST_F(JournalTest, ResumeTakesWhatIsThere) {
  {
    Journal journal = open(false);
    ASSERT_TRUE(journal.add("x/1", {{"value", 2.5}}));
    ASSERT_TRUE(journal.add("x/2", 3));
  }
  const Journal again = open(true);
  ASSERT_EQ(again.results().size(), 2U);
  EXPECT_EQ(again.results().at("x/1")["value"], 2.5);
}

TEST_F(JournalTest, WithoutResumeItBeginsAnew) {
  ASSERT_TRUE(open(false).add("x", 1));
  EXPECT_TRUE(open(false).results().empty());
  EXPECT_TRUE(open(true).results().empty());
}

TEST_F(JournalTest, AForgottenResumeCostsNothing) {
  ASSERT_TRUE(open(false).add("x", 1));
  ASSERT_TRUE(open(false).results().empty());
  std::filesystem::rename(path_ + ".old", path_);
  EXPECT_EQ(open(true).results().size(), 1U);
}

TEST_F(JournalTest, ALineThatACrashCutIsDroppedAndWrittenOver) {
  ASSERT_TRUE(open(false).add("whole", 1));
  append("{\"unit\":\"cut\",\"resu");
  {
    Journal journal = open(true);
    EXPECT_EQ(journal.results().size(), 1U);
    ASSERT_TRUE(journal.add("next", 2));
  }
  const Journal again = open(true);
  EXPECT_EQ(again.results().size(), 2U);
  EXPECT_TRUE(again.results().contains("next"));
}

TEST_F(JournalTest, AnotherFingerprintIsRefused) {
  ASSERT_TRUE(open(false, {{"model", "a"}}).add("x", 1));
  const auto other = Journal::open(path_, {{"model", "b"}}, true);
  ASSERT_FALSE(other);
  EXPECT_NE(other.error().message.find("another model"), std::string::npos);
  EXPECT_NE(other.error().message.find("model: \"a\" then, \"b\" now"), std::string::npos);
}

TEST_F(JournalTest, WhatIsNoJournalIsRefused) {
  for (const char* text : {"hello\n", "[1]\n", "{\"format\":3}\n", "{}\n"}) {
    std::filesystem::remove(path_);
    append(text);
    EXPECT_FALSE(Journal::open(path_, "a", true)) << text;
  }
  ASSERT_TRUE(open(false).add("x", 1));
  append("{\"unit\":7,\"result\":1}\n");
  const auto broken = Journal::open(path_, "a", true);
  ASSERT_FALSE(broken);
  EXPECT_NE(broken.error().message.find(":3:"), std::string::npos) << broken.error().message;
}

}  // namespace
}  // namespace tq::eval
