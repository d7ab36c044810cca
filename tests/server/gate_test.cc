// Who is let in.
#include "server/gate.h"

#include <gtest/gtest.h>

namespace tq::server {
namespace {

using Headers = std::map<std::string, std::string>;

int status(const ServerOptions& options, const std::string& path, const Headers& headers) {
  const auto gate = Gate::create(options);
  EXPECT_TRUE(gate) << gate.error().message;
  const auto refusal = gate->refusal({.method = "POST", .path = path, .headers = headers});
  return refusal ? refusal->status : 200;
}

TEST(Gate, OthersNeedAKeyOrAWord) {
  EXPECT_FALSE(Gate::create({.host = "0.0.0.0"}));
  EXPECT_FALSE(Gate::create({.host = "::"}));
  EXPECT_FALSE(Gate::create({.host = "127.example.com"}));
  EXPECT_FALSE(Gate::create({.api_keys = {""}}));
  EXPECT_TRUE(Gate::create({.host = "0.0.0.0", .api_keys = {"key"}}));
  EXPECT_TRUE(Gate::create({.host = "0.0.0.0", .allow_no_key = true}));
  EXPECT_TRUE(Gate::create({.host = "::1"}));
}

TEST(Gate, AsksForAKey) {
  const ServerOptions options{.api_keys = {"first-key", "second"}};
  EXPECT_EQ(status(options, "/props", {}), 401);
  for (const char* wrong :
       {"", "Bearer ", "Bearer first-ke", "Bearer first-keyx", "first-key", "Bearer FIRST-KEY"}) {
    EXPECT_EQ(status(options, "/props", {{"authorization", wrong}}), 401) << wrong;
  }
  EXPECT_EQ(status(options, "/props", {{"authorization", "Bearer first-key"}}), 200);
  EXPECT_EQ(status(options, "/props", {{"authorization", "Bearer second"}}), 200);
  EXPECT_EQ(status(options, "/props", {{"x-api-key", "second"}}), 200);
  EXPECT_EQ(status(options, "/health", {}), 200);
  EXPECT_EQ(status(options, "/", {}), 200);
  EXPECT_EQ(status(options, "/web/app.js", {}), 200);
  EXPECT_EQ(status(options, "/webs", {}), 401);
}

TEST(Gate, KnowsItsOwnName) {
  for (const char* host : {"localhost:8080", "127.0.0.1", "[::1]:80"})
    EXPECT_EQ(status({}, "/", {{"host", host}}), 200);
  for (const char* host : {"evil.example", "127.0.0.1.evil.example:8080", "localhost.evil"}) {
    EXPECT_EQ(status({}, "/", {{"host", host}}), 403) << host;
  }
}

TEST(Gate, WebPagesNeedPermission) {
  const Headers page = {{"host", "localhost:1"}, {"origin", "https://page.example"}};
  EXPECT_EQ(status({}, "/props", page), 403);
  EXPECT_EQ(status({.cors_origins = {"https://page.example"}}, "/props", page), 200);
  EXPECT_EQ(status({.cors_origins = {"*"}}, "/props", page), 200);
  EXPECT_EQ(status({.cors_origins = {"https://other.example"}}, "/props", page), 403);
  EXPECT_EQ(status({}, "/props", {{"host", "localhost:1"}, {"origin", "http://localhost:1"}}), 200);
  EXPECT_EQ(status({}, "/props", {{"host", "localhost:1"}, {"origin", "https://localhost:1"}}), 200);
  EXPECT_EQ(status({}, "/props", {{"host", "localhost:1"}, {"origin", "http://localhost:2"}}), 403);
}

}  // namespace
}  // namespace tq::server
