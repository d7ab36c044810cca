// Statuses, messages and the checks of pointers.
#include "capi/capi.h"
#include "tq/version.h"

namespace tq::capi {
namespace {

tq_status status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kIo:
      return TQ_ERROR_IO;
    case ErrorCode::kBadFile:
      return TQ_ERROR_BAD_FILE;
    case ErrorCode::kUnsupported:
      return TQ_ERROR_UNSUPPORTED;
    case ErrorCode::kBadArgument:
      return TQ_ERROR_BAD_ARGUMENT;
    case ErrorCode::kOutOfMemory:
      return TQ_ERROR_OUT_OF_MEMORY;
    case ErrorCode::kContextFull:
      return TQ_ERROR_CONTEXT_FULL;
    case ErrorCode::kInterrupted:
      return TQ_ERROR_INTERRUPTED;
  }
  return TQ_ERROR_INTERNAL;
}

// Up to `size` bytes, and no part of a character.
std::string_view cut(std::string_view text, std::size_t size) {
  if (text.size() <= size) return text;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80U) --size;
  return text.substr(0, size);
}

}  // namespace

tq_status fail(tq_error* error, tq_status status, std::string_view message) noexcept {
  if (error == nullptr) return status;
  error->status = status;
  message = cut(message, sizeof error->message - 1);
  std::copy(message.begin(), message.end(), error->message);
  error->message[message.size()] = '\0';
  return status;
}

tq_status fail(tq_error* error, const Error& cause) noexcept {
  return fail(error, status_of(cause.code), cause.message);
}

Expected<void> require(const char* function, std::initializer_list<Required> pointers) {
  for (const auto& [name, pointer] : pointers) {
    if (pointer == nullptr) return bad_argument(std::string(function) + ": " + name + " is NULL.");
  }
  return {};
}

}  // namespace tq::capi

const char* tq_version(void) { return tq::kVersion; }

const char* tq_status_name(tq_status status) {
  switch (status) {
    case TQ_OK:
      return "ok";
    case TQ_ERROR_IO:
      return "input or output";
    case TQ_ERROR_BAD_FILE:
      return "bad file";
    case TQ_ERROR_UNSUPPORTED:
      return "unsupported";
    case TQ_ERROR_BAD_ARGUMENT:
      return "bad argument";
    case TQ_ERROR_OUT_OF_MEMORY:
      return "out of memory";
    case TQ_ERROR_CONTEXT_FULL:
      return "context full";
    case TQ_ERROR_INTERRUPTED:
      return "interrupted";
    case TQ_ERROR_BUFFER_TOO_SMALL:
      return "buffer too small";
    case TQ_ERROR_INTERNAL:
      return "internal";
    default:
      return "unknown status";
  }
}
