// What the files of the C interface share: the handles, how C++ results become a status, and options structs
// of any age. The top layer of the library: nothing in C++ includes it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <exception>
#include <initializer_list>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "tq/codec.h"
#include "tq/engine.h"
#include "tq/error.h"
#include "tq/sampler.h"
#include "tq/session.h"
#include "tq/turboquant.h"

// Handles share the engine, so that a session freed after it is no crash.
struct tq_engine {  // NOLINT(readability-identifier-naming)
  std::shared_ptr<tq::Engine> engine;
  std::string cache_description;
};

struct tq_session {  // NOLINT(readability-identifier-naming)
  std::shared_ptr<tq::Engine> engine;
  std::unique_ptr<tq::Session> session;
};

struct tq_sampler {                          // NOLINT(readability-identifier-naming)
  std::shared_ptr<const tq::Engine> engine;  // null without a vocabulary
  std::unique_ptr<tq::Sampler> sampler;
};

namespace tq::capi {

// Fills *error, which may be null, and returns the status.
tq_status fail(tq_error* error, tq_status status, std::string_view message) noexcept;
tq_status fail(tq_error* error, const Error& cause) noexcept;

inline Error bad_argument(std::string message) { return {ErrorCode::kBadArgument, std::move(message)}; }

// Runs `body`, which returns Expected<void> or a tq_status, and lets no exception out.
template <class Body>
tq_status guarded(tq_error* error, Body&& body) noexcept {
  try {
    const auto result = body();
    if constexpr (std::is_same_v<decltype(result), const tq_status>) {
      return result;
    } else {
      return result ? TQ_OK : fail(error, result.error());
    }
  } catch (const std::bad_alloc&) {
    return fail(error, TQ_ERROR_OUT_OF_MEMORY, "memory ran out; free some or ask for less.");
  } catch (const std::exception& exception) {
    return fail(error, TQ_ERROR_INTERNAL, exception.what());
  } catch (...) {
    return fail(error, TQ_ERROR_INTERNAL, "an exception of an unknown kind.");
  }
}

// "tq_encode: text is NULL." for the first of `pointers` that is null.
struct Required {
  const char* name;
  const void* pointer;
};
Expected<void> require(const char* function, std::initializer_list<Required> pointers);

// An array may be null where it is empty.
inline Required array(const char* name, const void* data, std::size_t size) {
  return {name, size == 0 ? name : data};
}

Expected<KvType> kv_type(tq_kv_type id);  // kBadArgument for an id of no type

// Options structs begin with their size as the caller knows them.
//
// What `known` has and the caller's header does not, keeps its default; what the caller's has and this
// library does not, must not be asked for.
template <class Options>
Expected<Options> read_options(const char* function, const Options& given, Options known) {
  const std::size_t size = given.struct_size;
  if (size < sizeof size || size > std::size_t{1} << 16U) {
    return bad_argument(std::string(function) + ": struct_size is " + std::to_string(size) +
                        "; fill the options with their _default() or _init() function.");
  }
  const auto* bytes = reinterpret_cast<const unsigned char*>(&given);
  if (size > sizeof known && std::any_of(bytes + sizeof known, bytes + size, [](auto b) { return b != 0; })) {
    return Error{ErrorCode::kUnsupported,
                 std::string(function) + ": this library (" + tq_version() +
                     ") is older than the program and does not know one of the options it sets."};
  }
  std::memcpy(&known, &given, std::min(size, sizeof known));
  return known;
}

// For structs the library fills: as much of `value` as the caller has room for.
template <class Struct>
void write_struct(Struct& target, Struct value, std::size_t struct_size) {
  value.struct_size = struct_size;
  if (struct_size > sizeof value) std::memset(static_cast<void*>(&target), 0, struct_size);
  std::memcpy(static_cast<void*>(&target), &value, std::min(struct_size, sizeof value));
}

// The contract of buffers: all or nothing, and the size in any case.
template <class T, class Source>
tq_status give(const Source& source, T* target, std::size_t capacity, std::size_t* size, tq_error* error) {
  *size = source.size();
  if (source.size() > capacity) {
    return fail(error, TQ_ERROR_BUFFER_TOO_SMALL,
                "the result has " + std::to_string(source.size()) + " elements, the buffer room for " +
                    std::to_string(capacity) + ".");
  }
  std::copy(source.begin(), source.end(), target);
  return TQ_OK;
}

}  // namespace tq::capi
