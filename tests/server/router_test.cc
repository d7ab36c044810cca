#include "server/http/router.h"

#include <gtest/gtest.h>

#include "server/http/sse.h"

namespace tq::server::http {
namespace {

TEST(Router, FindsByMethodAndPath) {
  Router router;
  const auto answers = [](std::string body) {
    return [body](const Request&) { return Response{.body = body}; };
  };
  router.add("GET", "/", answers("root"));
  router.add("GET", "/slots", answers("list"));
  router.add("POST", "/slots/{}", answers("one"));
  router.add("GET", "/a/{}/b/{}", answers("two"));
  router.add("GET", "/models/{*}", answers("rest"));
  const auto body = [&](const char* method, const char* path) {
    const auto found = router.find(method, path);
    return found.handler == nullptr ? "none " + found.allowed : (*found.handler)({}).body;
  };
  EXPECT_EQ(body("GET", "/"), "root");
  EXPECT_EQ(body("GET", "/slots"), "list");
  EXPECT_EQ(body("HEAD", "/slots"), "list");
  EXPECT_EQ(body("POST", "/slots/7"), "one");
  EXPECT_EQ(body("GET", "/slots/7"), "none POST");
  EXPECT_EQ(body("POST", "/slots"), "none GET, HEAD");
  EXPECT_EQ(body("POST", "/slots/"), "none ");
  EXPECT_EQ(body("GET", "/slots/7/8"), "none ");
  EXPECT_EQ(body("GET", "/models/x/y/z"), "rest");
  EXPECT_EQ(body("GET", "/models/"), "none ");
  EXPECT_EQ(body("GET", "/models"), "none ");
  EXPECT_EQ(router.find("GET", "/models/x").captures, (std::vector<std::string>{"x"}));
  EXPECT_EQ(router.find("GET", "/models/x/y/z").captures, (std::vector<std::string>{"x/y/z"}));
  EXPECT_EQ(router.find("GET", "/a/x/b/y").captures, (std::vector<std::string>{"x", "y"}));
}

TEST(Sse, FramesOneEvent) {
  EXPECT_EQ(sse("{}"), "data: {}\n\n");
  EXPECT_EQ(sse("done", "{}"), "event: done\ndata: {}\n\n");
}

}  // namespace
}  // namespace tq::server::http
