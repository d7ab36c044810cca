// What all of a server's readers promise: nothing but an ApiError comes out of them, and it can be shown.
#pragma once

#include "server/api/error.h"

template <class Fn>
void expect_only_api_errors(const Fn& read) {
  try {
    read();
  } catch (const tq::server::ApiError& error) {
    (void)tq::server::error_json(error);
  }
}
