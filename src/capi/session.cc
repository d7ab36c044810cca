// Sessions: create, sync, fork, save, restore.
#include "capi/capi.h"

using namespace tq::capi;

namespace {

using tq::Expected;

tq_session* make_handle(const std::shared_ptr<tq::Engine>& engine, std::unique_ptr<tq::Session> session) {
  return new tq_session{.engine = engine, .session = std::move(session)};
}

}  // namespace

tq_status tq_session_create(tq_engine* engine, tq_session** session, tq_error* error) {
  return guarded(error, [&]() -> Expected<void> {
    if (auto ok = require("tq_session_create", {{"engine", engine}, {"session", session}}); !ok) return ok;
    *session = nullptr;
    auto made = engine->engine->create_session();
    if (!made) return made.error();
    *session = make_handle(engine->engine, *std::move(made));
    return {};
  });
}

void tq_session_free(tq_session* session) { delete session; }

tq_status tq_session_sync(tq_session* session, const tq_token* tokens, size_t n_tokens,
                          tq_logits_visitor visitor, void* user, const float** logits, tq_error* error) {
  return guarded(error, [&]() -> Expected<void> {
    if (auto ok = require("tq_session_sync", {{"session", session}, array("tokens", tokens, n_tokens)}); !ok)
      return ok;
    tq::Session::LogitsVisitor visit;
    if (visitor != nullptr) {
      visit = [=](std::int64_t position, std::span<const float> values) {
        visitor(user, position, values.data(), values.size());
      };
    }
    const auto last = session->session->sync({tokens, n_tokens}, visit);
    if (!last) return last.error();
    if (logits != nullptr) *logits = last->data();
    return {};
  });
}

tq_status tq_session_fork(const tq_session* session, tq_session** fork, tq_error* error) {
  return guarded(error, [&]() -> Expected<void> {
    if (auto ok = require("tq_session_fork", {{"session", session}, {"fork", fork}}); !ok) return ok;
    *fork = nullptr;
    auto made = session->session->fork();
    if (!made) return made.error();
    *fork = make_handle(session->engine, *std::move(made));
    return {};
  });
}

tq_status tq_session_save(const tq_session* session, const char* path, tq_error* error) {
  return guarded(error, [&]() -> Expected<void> {
    if (auto ok = require("tq_session_save", {{"session", session}, {"path", path}}); !ok) return ok;
    return session->session->save(path);
  });
}

tq_status tq_session_restore(tq_session* session, const char* path, tq_error* error) {
  return guarded(error, [&]() -> Expected<void> {
    if (auto ok = require("tq_session_restore", {{"session", session}, {"path", path}}); !ok) return ok;
    return session->session->restore(path);
  });
}

size_t tq_session_tokens(const tq_session* session, const tq_token** tokens) {
  const std::span<const tq::Token> held =
      session != nullptr ? session->session->tokens() : std::span<const tq::Token>();
  if (tokens != nullptr) *tokens = held.data();
  return held.size();
}

int64_t tq_session_n_ctx(const tq_session* session) {
  return session != nullptr ? session->session->n_ctx() : 0;
}

size_t tq_session_kv_bytes(const tq_session* session) {
  return session != nullptr ? session->session->kv_bytes() : 0;
}

size_t tq_session_kv_bytes_f16(const tq_session* session) {
  return session != nullptr ? session->session->kv_bytes_f16() : 0;
}
