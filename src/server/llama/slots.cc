// GET /slots; POST /slots/{id}?action=save|restore|erase
#include <algorithm>
#include <cctype>
#include <charconv>
#include <filesystem>

#include "server/api/error.h"
#include "server/api/json.h"
#include "server/llama/endpoints.h"

namespace tq::server::llama {
namespace {

// A name of a file in the folder, and never a way out of it.
bool is_plain_name(const std::string& name) {
  constexpr std::size_t kMaxBytes = 200;
  const auto is_fine = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
  };
  return !name.empty() && name.size() <= kMaxBytes && name.front() != '.' &&
         std::ranges::all_of(name, is_fine);
}

std::string file_path(const ServedModel& model, const std::string& name) {
  if (model.slot_save_path.empty()) {
    throw ApiError{.status = 501,
                   .message = "slots are not saved; start the server with --slot-save-path FOLDER.",
                   .type = "not_supported_error"};
  }
  if (!is_plain_name(name)) {
    refuse("'filename' has to be a name of letters, digits, '.', '-' and '_', without a folder.", "filename");
  }
  return (std::filesystem::path(model.slot_save_path) / name).string();
}

int slot_id(const ServedModel& model, const std::string& text) {
  int id = -1;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (status != std::errc() || end != text.data() + text.size() || id < 0 ||
      id >= model.scheduler.n_slots()) {
    throw ApiError{.status = 404, .message = "there is no slot " + text + "."};
  }
  return id;
}

void use_slot(const ServedModel& model, int id, const std::function<void(std::unique_ptr<Session>&)>& use) {
  if (model.scheduler.with_idle_slot(id, use)) return;
  throw ApiError{.status = 503, .message = "the server is shutting down.", .type = "server_error"};
}

Json save_slot(const ServedModel& model, int id, const std::string& filename) {
  const std::string path = file_path(model, filename);
  Expected<void> saved;
  std::size_t n_tokens = 0;
  const auto begin = Clock::now();
  use_slot(model, id, [&](std::unique_ptr<Session>& session) {
    n_tokens = session->tokens().size();
    saved = session->save(path);
  });
  if (!saved) throw to_api_error(saved.error());
  std::error_code ignored;
  const auto n_bytes = std::filesystem::file_size(path, ignored);
  const double ms = std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
  return {{"id_slot", id},
          {"filename", filename},
          {"n_saved", n_tokens},
          {"n_written", n_bytes},
          {"timings", {{"save_ms", ms}}}};
}

Json restore_slot(const ServedModel& model, int id, const std::string& filename) {
  const std::string path = file_path(model, filename);
  Expected<void> restored;
  std::size_t n_tokens = 0;
  const auto begin = Clock::now();
  use_slot(model, id, [&](std::unique_ptr<Session>& session) {
    restored = session->restore(path);
    n_tokens = session->tokens().size();
  });
  if (!restored) {
    ApiError error = to_api_error(restored.error());
    error.status = 400;
    error.type = "invalid_request_error";
    throw error;
  }
  std::error_code ignored;
  const auto n_bytes = std::filesystem::file_size(path, ignored);
  const double ms = std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
  return {{"id_slot", id},
          {"filename", filename},
          {"n_restored", n_tokens},
          {"n_read", n_bytes},
          {"timings", {{"restore_ms", ms}}}};
}

Json erase_slot(const ServedModel& model, int id) {
  std::size_t n_tokens = 0;
  std::optional<Error> failure;
  use_slot(model, id, [&](std::unique_ptr<Session>& session) {
    n_tokens = session->tokens().size();
    auto empty = model.engine.create_session();
    if (empty) {
      session = *std::move(empty);
    } else {
      failure = empty.error();
    }
  });
  if (failure) throw to_api_error(*failure);
  return {{"id_slot", id}, {"n_erased", n_tokens}};
}

}  // namespace

http::Response list_slots(const ServedModel& model, const http::Request& request) {
  const auto status = model.scheduler.slots();
  const auto fails = request.query.find("fail_on_no_slot");
  const bool wants_one = fails != request.query.end() && fails->second != "0";
  if (wants_one && std::ranges::all_of(status, &SlotStatus::is_busy)) {
    throw ApiError{.status = 503, .message = "all slots are busy.", .type = "unavailable_error"};
  }
  Json slots = Json::array();
  for (const SlotStatus& slot : status) {
    Json next = {{"has_next_token", slot.is_busy}, {"n_decoded", slot.n_answer}};
    slots.push_back({{"id", slot.id},
                     {"id_task", slot.job == 0 ? Json(-1) : Json(slot.job)},
                     {"n_ctx", model.engine.n_ctx()},
                     {"speculative", slot.is_guessing},
                     {"is_processing", slot.is_busy},
                     {"n_prompt_tokens", slot.n_prompt},
                     {"n_decoded", slot.n_answer},
                     {"next_token", Json::array({std::move(next)})},
                     {"n_cached", slot.n_cached},
                     {"kv_bytes", slot.kv_bytes},
                     {"kv_bytes_f16", slot.kv_bytes_f16}});
  }
  return {.body = dump(slots)};
}

http::Response change_slot(const ServedModel& model, const http::Request& request) {
  const int id = slot_id(model, request.captures.front());
  const auto action = request.query.find("action");
  const std::string verb = action == request.query.end() ? "" : action->second;
  if (verb == "erase") return {.body = dump(erase_slot(model, id))};
  if (verb != "save" && verb != "restore") refuse("'action' has to be save, restore or erase.", "action");
  const Json body = parse_object(request.body);
  const std::string filename = Fields(body).string("filename").value_or("");
  return {.body = dump(verb == "save" ? save_slot(model, id, filename) : restore_slot(model, id, filename))};
}

}  // namespace tq::server::llama
