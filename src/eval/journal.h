// What was measured, kept as it is finished: one JSON line a unit, on the disk before the next begins. A run
// that was stopped continues from it.
#pragma once

#include <string>

#include "eval/gate.h"
#include "tq/error.h"

namespace tq::eval {

class Journal {
 public:
  Journal() = default;  // keeps nothing
  // `fingerprint` says what was measured with what (model, caches, corpus, profile). Unless `resume`, the
  // file begins anew; with it, units of the same fingerprint are taken and another one is an error.
  static Expected<Journal> open(const std::string& path, const Json& fingerprint, bool resume);

  Journal(Journal&& other) noexcept;
  Journal& operator=(Journal&& other) noexcept;
  ~Journal();

  const Results& results() const { return results_; }
  Expected<void> add(const std::string& key, const Json& result);

 private:
  Expected<void> write_line(const Json& object);

  int fd_ = -1;
  std::string path_;
  Results results_;
};

}  // namespace tq::eval
