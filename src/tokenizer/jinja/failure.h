// How the engine gives up. Inside src/tokenizer/jinja errors are exceptions, as in the language it
// interprets: an expression can fail at any depth. ChatTemplate turns them into Error values; none leaves the
// library.
#pragma once

#include <string>
#include <utility>

namespace tq::jinja {

enum class FailureKind {
  kSyntax,   // the template is not understood
  kRuntime,  // it did something that Jinja forbids, such as adding a number to a string
  kRaised,   // it called raise_exception()
  kLimit,    // it wants more depth, steps or memory than a template may have
};

struct Failure {
  FailureKind kind;
  std::string message;  // without a final full stop
  int line = 0;         // of the template; 0 until the innermost expression or statement fills it in
};

[[noreturn]] inline void fail(std::string message) {
  throw Failure{FailureKind::kRuntime, std::move(message)};
}

}  // namespace tq::jinja
