// What llama-server answers beside OpenAI's API, one file a subject.
#pragma once

#include "server/api/served_model.h"
#include "server/http/message.h"

namespace tq::server::llama {

http::Response health();
http::Response props(const ServedModel& model);
http::Response metrics(const ServedModel& model);
// 503 with ?fail_on_no_slot=1 while all are busy.
http::Response list_slots(const ServedModel& model, const http::Request& request);
// POST /slots/{id}?action=save|restore|erase
http::Response change_slot(const ServedModel& model, const http::Request& request);
http::Response completion(const ServedModel& model, const http::Request& request);
http::Response infill(const ServedModel& model, const http::Request& request);
http::Response embedding(const ServedModel& model, const http::Request& request);
http::Response tokenize(const ServedModel& model, const http::Request& request);
http::Response detokenize(const ServedModel& model, const http::Request& request);
http::Response apply_template(const ServedModel& model, const http::Request& request);

}  // namespace tq::server::llama
