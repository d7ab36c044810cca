// Errors are values: every call that can fail returns Expected<T>. Nothing in the library prints, aborts or
// throws across this boundary; apps turn an Error into one sentence and an exit code.
#pragma once

#include <cassert>
#include <string>
#include <utility>
#include <variant>

namespace tq {

enum class ErrorCode {
  kIo,           // the operating system refused: missing file, no permission, short read
  kBadFile,      // the bytes are not a valid file of their kind
  kUnsupported,  // valid, but a feature this build does not have
  kBadArgument,  // the caller asked for something impossible
  kOutOfMemory,  // a reservation did not fit
  kContextFull,  // the session has no room for more tokens
  kInterrupted,  // the caller asked to stop
};

// `message` is one sentence that says what is wrong, where, and what to do about it.
struct Error {
  ErrorCode code;
  std::string message;
};

template <class T>
class [[nodiscard]] Expected {
 public:
  Expected(T value) : state_(std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Expected(Error error) : state_(std::move(error)) {}  // NOLINT(google-explicit-constructor)

  explicit operator bool() const { return state_.index() == 0; }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(value()); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  const Error& error() const& {
    assert(!*this);
    return *std::get_if<Error>(&state_);
  }
  Error&& error() && {
    assert(!*this);
    return std::move(*std::get_if<Error>(&state_));
  }

 private:
  T& value() {
    assert(*this);
    return *std::get_if<T>(&state_);
  }
  const T& value() const {
    assert(*this);
    return *std::get_if<T>(&state_);
  }

  std::variant<T, Error> state_;
};

// Expected<void>: success carries nothing.
template <>
class [[nodiscard]] Expected<void> {
 public:
  Expected() = default;
  Expected(Error error) : error_(std::move(error)), ok_(false) {}  // NOLINT(google-explicit-constructor)

  explicit operator bool() const { return ok_; }
  const Error& error() const {
    assert(!ok_);
    return error_;
  }

 private:
  Error error_{};
  bool ok_ = true;
};

}  // namespace tq
