// Bodies of requests: JSON, messages, stop strings, grammars. Nothing but an ApiError may come out of them.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "api_errors.h"
#include "server/api/chat_messages.h"
#include "server/api/sampling.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  expect_only_api_errors([&] {
    const tq::server::Json body = tq::server::parse_object(text);
    const tq::server::Fields fields(body);
    expect_only_api_errors([&] { (void)tq::server::read_stops(fields); });
    expect_only_api_errors([&] { (void)tq::server::make_grammar(tq::server::read_constraint(fields)); });
    const tq::server::Json* const messages = fields.array("messages");
    if (messages != nullptr) (void)tq::server::read_messages(*messages);
    (void)tq::server::dump(body);
  });
  return 0;
}
