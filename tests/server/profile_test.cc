// Profiles of agents: the server that a good one means, and line and remedy of what is wrong with others.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "server/profile/command_words.h"
#include "server/profile/endpoint.h"
#include "tq/server_profile.h"

namespace tq::server {
namespace {

using Words = std::vector<std::string>;

// One thing of a good profile replaced.
std::string profile(const std::string& from = {}, const std::string& to = {}) {
  std::string yaml = R"(providers:
  primary:
    endpoint: http://localhost:8081
    api_path: /v1/chat/completions
    turboquant:
      enabled: true
      kv_type: turbo3
    context:
      max_tokens: 32768
    server_command: turboquant serve -m a.gguf
)";
  if (!from.empty()) yaml.replace(yaml.find(from), from.size(), to);
  return yaml;
}

TEST(Profile, MeansAServer) {
  const ServerProfile read = read_server_profile(profile(), "p.yaml");
  EXPECT_EQ(read.problems, Words());
  EXPECT_EQ(read.notes, Words());
  EXPECT_EQ(read.arguments, (Words{"-m", "a.gguf", "-ctk", "turbo3", "-ctv", "turbo3", "-c", "32768",
                                   "--port", "8081", "--host", "127.0.0.1"}));
  const auto with_model = read_server_profile(profile("    endpoint", "    model: gemma\n    endpoint"), "p");
  EXPECT_EQ(Words(with_model.arguments.end() - 2, with_model.arguments.end()), (Words{"-a", "gemma"}));
}

TEST(Profile, TheCommandTakesPart) {
  const std::string command = R"(server_command: |
      # a comment
      export TURBO_LAYER_ADAPTIVE=7
      /opt/llama-server -m 'my model.gguf' \
        -ctk q8_0 -ctv turbo3 -c 65536 --port=8081 --host 0.0.0.0
)";
  const auto read =
      read_server_profile(profile("server_command: turboquant serve -m a.gguf\n", command), "p.yaml");
  EXPECT_EQ(read.problems, Words());
  EXPECT_EQ(read.arguments, (Words{"-m", "my model.gguf", "-ctk", "q8_0", "-ctv", "turbo3", "-c", "65536",
                                   "--port=8081", "--host", "0.0.0.0", "--layer-adaptive", "7"}));
  const auto list = read_server_profile(
      profile("turboquant serve -m a.gguf", "[turboquant, serve, -m, 'b c.gguf']"), "p.yaml");
  EXPECT_EQ(Words(list.arguments.begin(), list.arguments.begin() + 2), (Words{"-m", "b c.gguf"}));
}

TEST(Profile, TheExampleIsGood) {
  const std::string path = TQ_SOURCE_DIR "/profiles/hermes-profile-gemma4-turboquant.yaml";
  std::stringstream yaml;
  yaml << std::ifstream(path).rdbuf();
  const ServerProfile read = read_server_profile(yaml.str(), path);
  EXPECT_EQ(read.problems, Words());
  EXPECT_EQ(read.notes, Words());
  for (const char* word : {"turbo4", "131072", "8081", "7", "gemma-4"})
    EXPECT_NE(std::ranges::find(read.arguments, word), read.arguments.end()) << word;
}

TEST(Profile, ProblemsHaveLineAndRemedy) {
  struct Case {
    const char *from, *to;
    int line;
    const char* says;
    const char* remedy;
  };
  const std::vector<Case> cases = {
      {"providers:", "provider:", 1, "'providers' is missing", "providers:"},
      {"primary:", "second:", 2, "'providers.primary' is missing", "primary:"},
      {"    endpoint: http://localhost:8081\n", "", 3, "endpoint' is missing", "endpoint: http://"},
      {"http://localhost:8081", "localhost:8081", 3, "is no http://", "http://127.0.0.1:8080"},
      {"http://localhost:8081", "http://localhost", 3, "names no port", "http://127.0.0.1:8080"},
      {"http://localhost:8081", "http://localhost:808x", 3, "no number from 1 to 65535", "port"},
      {"http://localhost:8081", "http://gpu-box:8081", 10, "'gpu-box' does not say", "--host ADDRESS"},
      {"/v1/chat/completions", "/v2/chat", 4, "'/v2/chat'", "api_path: /v1/chat/completions"},
      {"enabled: true", "enabled: false", 6, "enabled is 'false'", "enabled: true"},
      {"turbo3", "turbo9", 7, "'turbo9' is no TurboQuant type", "turbo4"},
      {"turbo3", "q8_0", 7, "'q8_0' is no TurboQuant type", "turbo4"},
      {"kv_type: turbo3", "kv_type: [turbo3]", 7, "kv_type' is no text", "kv_type: turbo4"},
      {"kv_type: turbo3", "kv_type: turbo3\n      layer_adaptive: 8", 8, "layer_adaptive is '8'", "0 to 7"},
      {"32768", "4096", 9, "max_tokens is '4096'", "at least 8192"},
      {"32768", "many", 9, "max_tokens is 'many'", "at least 8192"},
      {"context:\n      max_tokens: 32768", "context: 3", 8, "context' is no section", "max_tokens"},
      {"server_command: turboquant", "command: turboquant", 3, "server_command' is missing",
       "turboquant serve"},
      {"turboquant serve -m", "ollama serve -m", 10, "does not start", "turboquant serve"},
      {"-m a.gguf", "-c 0", 10, "names no model", "-m model.gguf"},
      {"-m a.gguf", "-m a.gguf -ctv turbo4", 10, "-ctv turbo4", "make them the same"},
      {"-m a.gguf", "-m a.gguf -ctk turbo4", 10, "-ctk turbo4", "make them the same"},
      {"-m a.gguf", "-m a.gguf -c 8192", 10, "less than context.max_tokens", "-c 32768"},
      {"-m a.gguf", "-m a.gguf --port 80", 10, "--port 80", "make them the same"},
      {"-m a.gguf", "-m a.gguf --host 10.0.0.1", 10, "listens on 10.0.0.1", "make them the same"},
      {"-m a.gguf", "-m $MODEL", 10, "has '$'", "write out"},
      {"-m a.gguf", "-m a.gguf 2>log", 10, "has '>'", "write out"},
      {"turboquant serve", "FOO=1 turboquant serve", 10, "sets FOO", "remove it"},
      {"turboquant serve", "TURBO_LAYER_ADAPTIVE=9 turboquant serve", 10, "is '9'", "0 to 7"},
      {"    endpoint", "\tendpoint", 3, "not readable as YAML", "correct"},
  };
  for (const Case& c : cases) {
    const ServerProfile read = read_server_profile(profile(c.from, c.to), "p.yaml");
    ASSERT_EQ(read.problems.size(), 1U) << c.to;
    const std::string& problem = read.problems.front();
    EXPECT_TRUE(problem.starts_with("p.yaml:" + std::to_string(c.line) + ": ")) << problem;
    EXPECT_NE(problem.find(c.says), std::string::npos) << problem;
    EXPECT_NE(problem.find(c.remedy), std::string::npos) << problem;
    EXPECT_TRUE(problem.ends_with(".")) << problem;
  }
}

TEST(Profile, AllProblemsAreFoundAtOnce) {
  std::string yaml = profile("enabled: true", "enabled: no");
  yaml.replace(yaml.find("32768"), 5, "1");
  EXPECT_EQ(read_server_profile(yaml, "p").problems.size(), 2U);
  for (const char* text : {"", "- a\n", "3", "providers:\n", "providers: {primary: 3}", "{", "a: &x [*x]"})
    EXPECT_FALSE(read_server_profile(text, "p").problems.empty()) << text;
}

TEST(Profile, NotesWhatHasNoEffect) {
  const auto typo = read_server_profile(profile("enabled: true", "enabled: true\n      kvtype: x"), "p");
  EXPECT_EQ(typo.problems, Words());
  ASSERT_EQ(typo.notes.size(), 1U);
  EXPECT_TRUE(typo.notes.front().starts_with("p:7: 'turboquant.kvtype'")) << typo.notes.front();
  const auto tls = read_server_profile(profile("http://localhost:8081", "https://box"), "p");
  EXPECT_EQ(tls.problems, Words());
  EXPECT_EQ(tls.notes.size(), 1U);
}

TEST(Profile, CommandsAreReadAsAShellReadsThem) {
  const auto words = [](std::string_view text) {
    const auto command = parse_server_command(text);
    return command ? command->words : Words{"error: " + command.error().message};
  };
  EXPECT_EQ(words(R"(a "b c" 'd e' f\ g "h\"i" j'k'l "")"),
            (Words{"a", "b c", "d e", "f g", "h\"i", "jkl", ""}));
  EXPECT_EQ(words("A=1 B='2 3' run x=y"), (Words{"run", "x=y"}));
  EXPECT_EQ(words("export A=1; run\\\n x # end\n\n"), (Words{"run", "x"}));
  EXPECT_EQ(words("export A=1 && run"), (Words{"run"}));
  EXPECT_EQ(parse_server_command("A=1 B='2 3' run")->environment.at("B"), "2 3");
  for (const char* text : {"", "A=1", "run; other", "run 'a", "run \\", "run | tee", "run `x`", "run \"$X\"",
                           "run &", "export A", "cd x && run"})
    EXPECT_FALSE(parse_server_command(text)) << text;
}

TEST(Profile, Endpoints) {
  const auto v6 = parse_endpoint("http://[::1]:80/v1/");
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->host, "::1");
  EXPECT_EQ(v6->port, 80);
  EXPECT_EQ(v6->path, "/v1");
  EXPECT_EQ(v6->address(), "::1");
  EXPECT_EQ(parse_endpoint("http://box:1")->address(), "");
  for (const char* url : {"http://", "http://:80", "http://a:0", "http://a:65536", "http://u@a:80",
                          "http://a:80?x", "ftp://a:80", "http://a:80:90", "http://[::1"})
    EXPECT_FALSE(parse_endpoint(url)) << url;
}

}  // namespace
}  // namespace tq::server
